"""Serves moto on a free port and says which, until it is killed."""

import signal

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"moto is at http://{host}:{port}", flush=True)
signal.pause()
