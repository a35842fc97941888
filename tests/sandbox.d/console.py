# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine's console: `serve` runs the machine on a terminal that anybody may `attach` to."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import tty

REBOOT = 133  # systemd-nspawn's exit status when the machine rebooted
LEAVE = b"\x1d"  # Ctrl-]
HISTORY = 4096
RESIZE = b"\x00"  # a message of a client: this and rows, columns; or b"\x01" and typed bytes
TYPED = b"\x01"


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def serve_boot(listener, log, command):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    set_size(terminal, 24, 80)
    clients = []
    recent = b""
    while True:
        ready, _, _ = select.select([terminal, listener, *clients], [], [])
        for source in ready:
            if source is terminal:
                try:
                    output = os.read(terminal, 65536)
                except OSError:  # the other end is gone
                    output = b""
                if not output:
                    for client in clients:
                        client.close()
                    os.close(terminal)
                    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                log.write(output)
                recent = (recent + output)[-HISTORY:]
                for client in list(clients):
                    try:
                        client.send(output, socket.MSG_DONTWAIT)
                    except OSError:
                        clients.remove(client)
            elif source is listener:
                client, _ = listener.accept()
                clients.append(client)
                if recent:
                    client.send(recent, socket.MSG_DONTWAIT)
            elif source in clients:
                try:
                    message = source.recv(65536)
                except OSError:
                    message = b""
                if message[:1] == TYPED:
                    os.write(terminal, message[1:])
                elif message[:1] == RESIZE:
                    set_size(terminal, *struct.unpack("HH", message[1:5]))
                else:
                    clients.remove(source)


def serve(path, log_path, command):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen()
    with open(log_path, "ab", buffering=0) as log:
        status = REBOOT
        while status == REBOOT:
            status = serve_boot(listener, log, command)
    os.unlink(path)
    return status if status >= 0 else 128 - status


def attach(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(path)
    terminal = sys.stdin.isatty()

    def tell_size(*_):
        rows, columns = os.get_terminal_size(0)[::-1]
        connection.send(RESIZE + struct.pack("HH", rows, columns))

    if terminal:
        print("Connected; Ctrl-] leaves.", flush=True)
        before = termios.tcgetattr(0)
        tty.setraw(0)
        signal.signal(signal.SIGWINCH, tell_size)
        tell_size()
    try:
        copy(connection)
    finally:
        if terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
            print()


def copy(connection):
    sources = [0, connection]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if connection in ready:
            output = connection.recv(65536)
            if not output:
                return
            os.write(1, output)
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed or LEAVE in typed:
                return
            connection.send(TYPED + typed)


if sys.argv[1] == "serve":
    sys.exit(serve(sys.argv[2], sys.argv[3], sys.argv[4:]))
attach(sys.argv[2])
