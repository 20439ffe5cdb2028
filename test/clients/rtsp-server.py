"""A tone by RTSP: rtsp-server.py ADDRESS PORT HZ, a server of GStreamer's. Says "ready" when it listens."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

address, port, hz = sys.argv[1:4]
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address(address)
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
tone = f"audiotestsrc is-live=true freq={hz} volume=0.5 ! audio/x-raw,rate=8000,channels=1"
factory.set_launch(f"( {tone} ! alawenc ! rtppcmapay name=pay0 pt=8 )")
server.get_mount_points().add_factory("/tone", factory)
if server.attach(None) == 0:
    sys.exit(f"cannot listen at {address} port {port}")
print("ready", flush=True)
GLib.MainLoop().run()
