"""Vended Voximplant tokens for Python: signed by botocore, cached until shortly before they expire.

    from voximplant_token import TokenProvider

    url = "https://….execute-api.eu-west-1.amazonaws.com/prod"
    get_token = TokenProvider(url, service_account="call-history")
    requests.post(".../GetAccountInfo", headers={"Authorization": f"Bearer {get_token()}"})

Needs only botocore (pip install botocore), which finds credentials and region.
"""

import http.client
import json
import math
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
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.session import Session


class TokenError(Exception):
    """There is no token. `code` is the service's own (access_denied, ttl_too_long, …), or "network",
    "invalid_response" (not the service's answer, or a redirect), "no_credentials" or "invalid_options".
    """

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code

    @property
    def retryable(self):
        """Whether the same call may succeed later, with nothing changed."""
        return self.code in ("network", "throttled", "internal_error", "signing_key_unavailable")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects. urllib would send every header to the new origin, including the signature
    and the session token, and would return that origin's answer.
    """

    def redirect_request(self, *_):
        return None  # urllib then raises HTTPError with the status of the redirect


_open = urllib.request.build_opener(_NoRedirect).open


def checked_url(url, name):
    """Returns the URL without a slash at its end. It must be https, or http to this machine.

    Raises TokenError: a token or a signature would be sent unencrypted.
    """
    parts = urllib.parse.urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    secure = parts.scheme == "https" or (parts.scheme == "http" and local)
    if not secure or not parts.hostname or "@" in parts.netloc:
        raise TokenError(
            "invalid_options", f"{name} must be https, or http to this machine, without a user name"
        )
    return url.rstrip("/")


class _Held:
    """A token, and how old it is."""

    def __init__(self, answer, asked):
        self.token = answer["access_token"]
        lifetime = answer["expires_in"]
        self._asked = asked
        self.ends = lifetime
        # Random, so that clients that started together do not renew together.
        self.renew_from = lifetime * random.uniform(0.65, 0.8)
        # The last tenth, at most 10 s, is a reserve: the token could expire before its request arrives.
        self.renew_by = lifetime - min(10, lifetime / 10)

    def age(self):
        """Seconds since the token was requested; infinite if the clock was set back to before that.

        The larger of two clocks counts: the wall clock may be set back, and the monotonic one may stand
        still while the machine is suspended.
        """
        wall, monotonic = (now - then for now, then in zip(_clocks(), self._asked))
        return math.inf if wall < 0 else max(wall, monotonic)


def _clocks():
    return time.time(), time.monotonic()


class TokenProvider:
    """Returns a token that is valid now, to any number of threads. Call it before each use.

    One thread at a time requests a token. While a token is valid, no other thread waits. If a renewal
    fails, the current token stays in use until it expires.

    timeout: seconds for one request; attempts: the number of requests, within 15 s in all.
    """

    def __init__(self, url, service_account, ttl_seconds=None, timeout=5, attempts=4):
        if not re.fullmatch("[a-z0-9-]{1,64}", service_account):
            raise TokenError("invalid_options", 'service_account must be 1 to 64 of a-z, 0-9 and "-"')
        self._url = f"{checked_url(url, 'url')}/v1/service-accounts/{service_account}/token"
        self._body = json.dumps({"ttl_seconds": ttl_seconds}) if ttl_seconds else ""
        self._timeout = timeout
        self._attempts = attempts
        self._session = Session()
        host = urllib.parse.urlsplit(url).hostname or ""
        named = re.search(r"\.execute-api\.([a-z0-9-]+)\.", host)
        self._region = named.group(1) if named else self._session.get_config_variable("region") or "us-east-1"
        self._asking = threading.Lock()
        self._held = None
        self._failure = None
        self._failed_at = self._rest_until = -math.inf

    def __call__(self):
        held = self._held
        age = math.inf if held is None else held.age()
        if held is not None and age < held.renew_from:
            return held.token
        if held is not None and age < held.ends:
            if time.monotonic() < self._rest_until or not self._asking.acquire(blocking=False):
                return held.token
            if age < held.renew_by:
                threading.Thread(target=self._renew_quietly, daemon=True).start()
                return held.token
            self._renew_quietly()
            held = self._held
            if held.age() < held.ends:
                return held.token
        began = time.monotonic()
        with self._asking:
            held = self._held
            if held is not None and held.age() < held.ends:
                return held.token
            # If this thread waited for another one that failed, the failure is its result too.
            if self._failed_at >= began:
                raise self._failure
            return self._renew().token

    def _renew_quietly(self):
        """Renews, and releases the lock that the caller has taken. Stores a failure for later."""
        try:
            self._renew()
        except Exception:
            self._rest_until = time.monotonic() + random.uniform(1, 5)
        finally:
            self._asking.release()

    def _renew(self):
        try:
            self._held = self._ask_until_answered()
        except Exception as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        return self._held

    def _ask_until_answered(self):
        asked = _clocks()
        for attempt in range(self._attempts):
            try:
                return _Held(self._ask(), asked)
            except TokenError as error:
                # Full jitter: clients that failed together do not try again together.
                pause = random.uniform(0, min(5, 0.2 * 2**attempt))
                late = time.monotonic() + pause > asked[1] + 15
                if not error.retryable or late or attempt == self._attempts - 1:
                    raise
                time.sleep(pause)
                asked = (_clocks()[0], asked[1])

    def _ask(self):
        request = AWSRequest(method="POST", url=self._url, data=self._body)
        try:
            # Called each time, because botocore renews credentials that expire.
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError()
            SigV4Auth(credentials, "execute-api", self._region).add_auth(request)
        except BotoCoreError as error:
            raise TokenError("no_credentials", str(error)) from error
        prepared = request.prepare()
        plain = urllib.request.Request(
            prepared.url, data=self._body.encode(), headers=dict(prepared.headers.items()), method="POST"
        )
        try:
            with _open(plain, timeout=self._timeout) as response:
                body = _json_object(response)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise TokenError("network", str(error) or type(error).__name__) from error
        token, expires_in = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not token or type(expires_in) is not int or expires_in <= 0:
            raise TokenError("invalid_response", "the answer is not the service's")
        return body


def _refusal(error):
    if error.code < 400:
        return TokenError("invalid_response", "a redirect, which is not followed")
    try:
        body = _json_object(error)
    except (OSError, http.client.HTTPException):
        body = {}
    code, description = body.get("error"), body.get("error_description")
    if not isinstance(code, str):
        code = "internal_error" if error.code >= 500 else "invalid_response"
    if not isinstance(description, str):
        description = f"HTTP status {error.code}"
    return TokenError(code, description)


def _json_object(response):
    """The JSON object in the answer; an empty one for HTML, a list, or anything else."""
    try:
        body = json.loads(response.read(65_536))
    except (ValueError, RecursionError):
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
