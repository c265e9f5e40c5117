"""python3 -m unittest: the module against a server on this machine with prepared answers."""

import json
import os
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import voximplant_token
from voximplant_token import TokenError, TokenProvider

os.environ.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-east-1")


class Vendor(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *answers):
        self.answers, self.requests, self._count = answers, 0, threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        with self.server._count:
            self.server.requests += 1
            n = self.server.requests
        self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = self.server.answers[min(n, len(self.server.answers)) - 1]
        status, body = answer(n) if callable(answer) else answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def vends(n):
    return 200, json.dumps({"access_token": f"token-{n}", "expires_in": 300})


REFUSES = (403, json.dumps({"error": "access_denied", "error_description": "no"}))


class Clock:
    """Replaces the module's time. `pass_by` moves both clocks, `set_by` only the wall clock."""

    def __init__(self):
        self.wall, self.steady = 1_000_000.0, 1_000.0
        self.time, self.monotonic = lambda: self.wall, lambda: self.steady
        self.sleep = self.pass_by

    def pass_by(self, seconds):
        self.wall += seconds
        self.steady += seconds

    def set_by(self, seconds):
        self.wall += seconds


class TokenProviderTest(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        patch = mock.patch.object(voximplant_token, "time", self.clock)
        patch.start()
        self.addCleanup(patch.stop)

    def provider(self, *answers):
        vendor = Vendor(*answers)
        self.addCleanup(vendor.server_close)
        self.addCleanup(vendor.shutdown)
        return vendor, TokenProvider(vendor.url, "call-history")

    def code_of(self, work):
        with self.assertRaises(TokenError) as caught:
            work()
        return caught.exception.code

    def test_returns_a_cached_token_and_renews_it_in_the_background(self):
        vendor, get_token = self.provider(vends)
        self.assertEqual([get_token(), get_token()], ["token-1", "token-1"])
        self.clock.pass_by(250)
        self.assertEqual(get_token(), "token-1")
        deadline = time.monotonic() + 10
        while get_token() != "token-2":
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(vendor.requests, 2)

    def test_requests_a_new_token_if_the_clock_was_set_back(self):
        _, get_token = self.provider(vends)
        get_token()
        self.clock.set_by(-60)
        self.assertEqual(get_token(), "token-2")

    def test_returns_no_expired_token_if_the_clock_was_set_back_meanwhile(self):
        _, get_token = self.provider(vends)
        get_token()
        self.clock.pass_by(301)
        self.clock.set_by(-200)
        self.assertEqual(get_token(), "token-2")

    def test_returns_the_token_until_it_expires_if_the_renewal_fails(self):
        _, get_token = self.provider(vends, REFUSES)
        get_token()
        self.clock.pass_by(295)
        self.assertEqual(get_token(), "token-1")
        self.clock.pass_by(6)
        self.assertEqual(self.code_of(get_token), "access_denied")

    def test_a_renewal_that_hangs_blocks_no_thread_while_the_token_is_valid(self):
        release = threading.Event()
        self.addCleanup(release.set)
        _, get_token = self.provider(vends, lambda n: (release.wait(10), vends(n))[1])
        get_token()
        self.clock.pass_by(250)
        started = time.monotonic()
        self.assertEqual({get_token() for _ in range(20)}, {"token-1"})
        self.assertLess(time.monotonic() - started, 2)

    def test_threads_that_wait_for_one_failure_share_it(self):
        go = threading.Event()
        vendor, get_token = self.provider(lambda _: (go.wait(10), REFUSES)[1])
        codes = []
        threads = [
            threading.Thread(target=lambda: codes.append(self.code_of(get_token))) for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        go.set()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, ["access_denied"] * 10)
        self.assertEqual(vendor.requests, 1)

    def test_raises_a_token_error_for_an_answer_that_is_not_the_services(self):
        for body in ("<html>log in</html>", "[]", '["a"]', "", "5", "[" * 60_000, '{"access_token": 5}',
                     '{"access_token": "a", "expires_in": true}', '{"access_token": "a", "expires_in": 0}'):
            with self.subTest(body=body[:40]):
                _, get_token = self.provider((200, body))
                self.assertEqual(self.code_of(get_token), "invalid_response")
        for status, body, code in (
            (403, "<html>", "invalid_response"),
            (403, "[]", "invalid_response"),
            (403, '{"error": []}', "invalid_response"),
            (502, "<html>", "internal_error"),
        ):
            with self.subTest(status=status, body=body):
                _, get_token = self.provider((status, body))
                self.assertEqual(self.code_of(get_token), code)

    def test_refuses_http_to_another_machine(self):
        for url in ("http://example.com", "http://localhost:80@example.com", "ftp://localhost", "vendor"):
            with self.subTest(url=url):
                self.assertEqual(self.code_of(lambda: TokenProvider(url, "a")), "invalid_options")
        self.assertEqual(self.code_of(lambda: TokenProvider("https://example.com", "../a")), "invalid_options")


if __name__ == "__main__":
    unittest.main()
