"""A responder for whois++ (RFC 1835): one record, whose name the query must give."""

import socket
import socketserver
import sys


class Session(socketserver.StreamRequestHandler):
    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def handle(self):
        print(self.client_address[0], flush=True)
        self.say("% 220-This is cothon.test,", "% 220 ready to answer.")
        query = self.rfile.readline(1000).decode("ascii", "replace").strip()
        if query == "name=hanno":
            self.say("% 200 Command okay", "# FULL USER COTHON.TEST HANNO", " Name: Hanno",
                     " Work: navigator", "# END")
        else:
            self.say("% 200 Command okay")
        self.say("% 226 Transaction complete", "% 203 Bye, bye")


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100


Server(("::", int(sys.argv[1])), Session).serve_forever()
