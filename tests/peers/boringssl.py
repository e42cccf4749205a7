"""What BoringSSL makes of certificates, through gRPC.

boringssl.py ROOT server|client CHAIN KEY NAME
    shows CHAIN on a connection of its own: as a server called NAME, or as a client
boringssl.py ROOT connect HOST:PORT
    connects to a server that runs

It prints "accepted", or why not, and exits with 3 then.
"""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import grpc

# What begins a server's half of HTTP/2 (RFC 9113, section 3.4): an empty SETTINGS frame.
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
PATIENCE = 30


def conclude(refusal):
    print(f"refused: {refusal}" if refusal else "accepted")
    sys.exit(3 if refusal else 0)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def connect(root, target, options=()):
    """Whether a channel of gRPC gets as far as HTTP/2."""
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(read(root)), options)
    ready, refused = threading.Event(), threading.Event()

    def follow(state):
        if state == grpc.ChannelConnectivity.READY:
            ready.set()
        if state == grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            refused.set()

    channel.subscribe(follow, try_to_connect=True)
    for _ in range(PATIENCE * 20):
        if ready.is_set() or refused.is_set():
            break
        ready.wait(0.05)
    channel.close()
    return ready.is_set()


def as_server(root, chain, key, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    said = []

    def serve():
        while True:
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as stream:
                    stream.sendall(SETTINGS)
                    while stream.recv(4096):
                        pass
            except (ssl.SSLError, OSError) as error:
                said.append(str(error))

    threading.Thread(target=serve, daemon=True).start()
    options = [("grpc.ssl_target_name_override", name)]
    accepted = connect(root, f"127.0.0.1:{listener.getsockname()[1]}", options)
    conclude(None if accepted else said[0] if said else "it did not connect")


def as_client(root, chain, key, _):
    from concurrent.futures import ThreadPoolExecutor

    with tempfile.TemporaryDirectory() as directory:
        own, own_key = f"{directory}/own.pem", f"{directory}/own.key"
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
        subprocess.run([*make.split(), "-keyout", own_key, "-out", own], check=True, capture_output=True)
        credentials = grpc.ssl_server_credentials([(read(own_key), read(own))], read(root), True)
        server = grpc.server(ThreadPoolExecutor(1))
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(chain, key)
        context.set_alpn_protocols(["h2"])
        refusal = None
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
                with context.wrap_socket(connection) as stream:
                    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS)
                    if not stream.recv(9):
                        refusal = "the connection was closed"
        except (ssl.SSLError, OSError) as error:
            refusal = str(error)
        server.stop(None)
        conclude(refusal)


if __name__ == "__main__":
    root, what, *rest = sys.argv[1:]
    if what == "connect":
        conclude(None if connect(root, rest[0]) else "it did not connect")
    {"server": as_server, "client": as_client}[what](root, *rest)
