"""Where tracks are expected: Kalman filters, camera motion, perspective, prediction."""
