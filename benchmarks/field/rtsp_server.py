"""An RTSP camera for tests, on GStreamer's own server: rtsp_server.py PORT WIDTHxHEIGHT TRANSPORT [JPEGS RATE].

TRANSPORT is tcp, udp or any. Without `JPEGS`, a pattern such as frames/%04d.jpg whose numbers count from 1, it shows a
ball. Runs on the system's Python, for which distributions have the bindings.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  the versions come first

port, size, transport, *show = sys.argv[1:]
width, height = size.split("x")
pictures = f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate=25/1"
if show:
    jpegs, rate = show
    pictures = (
        f"multifilesrc location={jpegs} start-index=1 loop=true caps=image/jpeg,framerate={rate}/1 ! jpegdec !"
        f" videoconvert ! videoscale ! video/x-raw,width={width},height={height}"
    )
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( {pictures} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
if transport != "any":
    factory.set_protocols({"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}[transport])
server = GstRtspServer.RTSPServer()
server.set_service(port)
server.set_address("127.0.0.1")
server.get_mount_points().add_factory("/x", factory)
server.attach(None)
sys.stdout.write("ready\n")
sys.stdout.flush()
GLib.MainLoop().run()
