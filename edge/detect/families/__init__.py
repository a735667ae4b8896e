"""Detector families, a module each: how outputs become boxes."""
