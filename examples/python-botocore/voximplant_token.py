"""Vended Voximplant tokens for Python: signed by botocore, cached until they near their end.

    from voximplant_token import TokenProvider

    get_token = TokenProvider(url="https://….execute-api.eu-west-1.amazonaws.com/prod", service_account="call-history")
    requests.post(".../GetAccountInfo", headers={"Authorization": f"Bearer {get_token()}"})

Needs botocore alone (pip install botocore). Credentials and region: as botocore finds them.
"""

import json
import os
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session


class TokenError(Exception):
    """There is no token. `code` is the service's own (access_denied, ttl_too_long, …), or "network",
    "invalid_response" (not the service's answer, or a redirect) or "invalid_options".
    """

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib sends every header along with a redirect, the signature and the session token too, to
    whatever origin the answer names, and takes what comes back for the answer of the first.
    """

    def redirect_request(self, *_):
        return None  # urllib then raises HTTPError with the status of the redirect


_open = urllib.request.build_opener(_NoRedirect).open


def checked_url(url, name):
    """The URL without a slash at its end: https, or http to this machine.

    Raises TokenError: a token or a signature would travel in clear.
    """
    parts = urllib.parse.urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    secure = parts.scheme == "https" or (parts.scheme == "http" and local)
    if not secure or not parts.hostname or "@" in parts.netloc:
        raise TokenError(
            "invalid_options", f"{name} must be https, or http to this machine, without a user name"
        )
    return url.rstrip("/")


class TokenProvider:
    """Gives a token that is good now, to any number of threads. Call it before each use."""

    def __init__(self, url, service_account, ttl_seconds=None, timeout=5, attempts=4):
        self._url = f"{checked_url(url, 'url')}/v1/service-accounts/{service_account}/token"
        self._body = json.dumps({"ttl_seconds": ttl_seconds}) if ttl_seconds else ""
        self._timeout = timeout
        self._attempts = attempts
        self._session = Session()
        host = urllib.parse.urlsplit(url).hostname or ""
        named = re.search(r"\.execute-api\.([a-z0-9-]+)\.", host)
        self._region = named.group(1) if named else self._session.get_config_variable("region") or "us-east-1"
        self._lock = threading.Lock()
        self._token = None
        self._renew_from = 0.0

    def __call__(self):
        # One thread asks; the others wait for its answer.
        with self._lock:
            if self._token is None or time.time() >= self._renew_from:
                self._renew()
            return self._token

    def _renew(self):
        asked_at = time.time()
        for attempt in range(self._attempts):
            try:
                answer = self._ask()
                break
            except TokenError as error:
                passing = error.code in ("network", "throttled", "internal_error", "signing_key_unavailable")
                if not passing or attempt == self._attempts - 1:
                    raise
                # Full jitter: clients that failed together do not come back together.
                time.sleep(random.uniform(0, min(5, 0.2 * 2**attempt)))
        # By this machine's own clock, so that it does not matter how wrong that is; early, and not all at once.
        self._renew_from = asked_at + answer["expires_in"] * random.uniform(0.65, 0.8)
        self._token = answer["access_token"]

    def _ask(self):
        request = AWSRequest(method="POST", url=self._url, data=self._body)
        # Asked for each time: the SDK renews credentials that end.
        SigV4Auth(self._session.get_credentials(), "execute-api", self._region).add_auth(request)
        prepared = request.prepare()
        plain = urllib.request.Request(
            prepared.url, data=self._body.encode(), headers=dict(prepared.headers.items()), method="POST"
        )
        try:
            with _open(plain, timeout=self._timeout) as response:
                body = _json_object(response)
        except urllib.error.HTTPError as error:
            if error.code < 400:
                raise TokenError("invalid_response", "a redirect, which is not followed") from None
            body = _json_object(error)
            code = "internal_error" if error.code >= 500 else "invalid_response"
            raise TokenError(body.get("error", code), body.get("error_description", error.reason)) from None
        except OSError as error:
            raise TokenError("network", str(error)) from error
        if not isinstance(body.get("access_token"), str) or not isinstance(body.get("expires_in"), int):
            raise TokenError("invalid_response", "the answer is not the service's")
        return body


def _json_object(response):
    try:
        body = json.load(response)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def main():
    # An empty variable counts as absent.
    api = os.environ.get("VOXIMPLANT_API_URL") or "https://api.voximplant.com/platform_api"
    api = checked_url(api, "VOXIMPLANT_API_URL")
    get_token = TokenProvider(os.environ["VOXTOKEN_URL"], "call-history")
    request = urllib.request.Request(
        f"{api}/GetAccountInfo", data=b"", headers={"Authorization": f"Bearer {get_token()}"}, method="POST"
    )
    with _open(request, timeout=15) as response:
        print(response.read().decode())


if __name__ == "__main__":
    main()
