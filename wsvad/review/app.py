"""ASGI application of the review server: routes and request handlers; its state is in :class:`ReviewService`."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wsvad.errors import ObjectNotFound, UsageError, VideoError, WsvadError
from wsvad.events.text_formats import to_csv, to_json
from wsvad.review.access import COOKIE, LINK_S, SESSION_S, Access
from wsvad.review.audit import Audit
from wsvad.review.case import case_zip, restrict_to_events, verdicts_of_case
from wsvad.review.config import FORMAT
from wsvad.review.rendering import render_page
from wsvad.review.responses import (
    CLOSED_POLICY,
    RequestRefused,
    SecurityHeaders,
    attachment_headers,
    byte_range,
    error_response,
    http_status,
    json_body,
    json_response,
)
from wsvad.review.service import ReviewService
from wsvad.review.verdicts import COLUMNS, EXPORT, complete_record, parse_verdict

log = logging.getLogger(__name__)

FILES = {
    "strip.jpg": "image/jpeg",
    "poster.jpg": "image/jpeg",
    "heat.png": "image/png",
    "clip.webm": "video/webm",
    "clip.mp4": "video/mp4",
}
"""Files that can be downloaded, with their media types."""
_ENTER_PAGE = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=./">'
    b'<title>Review</title></head><body><a href="./">Continue to the review</a></body></html>'
)
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]+)"')

Handler = Callable[[Request, str], Awaitable[Response]]


def make_app(service: ReviewService, access: Access, audit: Audit) -> ASGIApp:
    """Return the ASGI application.

    Args:
        service: state of the server.
        access: access control.
        audit: access log.
    """
    server = _Server(service, access, audit)
    routes = [
        Route("/", server.enter),
        Route("/api/review", server.guarded(server.review)),
        Route("/api/verdicts", server.guarded(server.verdicts)),
        Route("/api/verdicts", server.guarded(server.add_verdict), methods=["POST"]),
        Route("/api/clip", server.guarded(server.clip), methods=["POST"]),
        Route("/api/media", server.guarded(server.links), methods=["POST"]),
        Route("/api/export", server.guarded(server.export)),
        Route("/api/case", server.guarded(server.case), methods=["POST"]),
        Route("/media/{name}/{file}", server.guarded(server.media)),
    ]
    return SecurityHeaders(Starlette(routes=routes), access)


class _Server:
    def __init__(self, service: ReviewService, access: Access, audit: Audit) -> None:
        self._service, self._access, self._audit = service, access, audit

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler: require a session, refuse cross-origin requests, and return errors as messages."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request, self._check(request))
            except RequestRefused as error:
                return error_response(error.status, str(error))
            except ClientDisconnect:
                return error_response(400, "the request ended early")
            except WsvadError as error:
                return error_response(http_status(error), str(error))

        return answer

    def _check(self, request: Request) -> str:
        """Return the reviewer of a request. Raises ``RequestRefused``."""
        headers = request.headers
        origin, host = headers.get("origin"), headers.get("host")
        if request.method == "POST":
            if headers.get("x-wsvad-request") != "1" or not self._access.is_same_origin(origin, host):
                raise RequestRefused(403, "the request does not come from a page of this server")
        elif origin is not None and not self._access.is_same_origin(origin, host):
            raise RequestRefused(403, "the request comes from another page")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RequestRefused(403, "the request comes from another site")
        try:
            reviewer = self._access.reviewer_of_session(request.cookies.get(_cookie_name(request), ""))
        except ValueError:
            reviewer = None
        if reviewer is None:
            raise RequestRefused(401, "your session has expired: open the link with your token again")
        return reviewer

    async def enter(self, request: Request) -> Response:
        """Return the page for a session, or start a session for a token."""
        token = request.query_params.get("token")
        if token is not None:
            reviewer = self._access.reviewer_of_token(token)
            if reviewer is None:
                return error_response(401, "unknown token")
            # no redirect: browsers do not send a strict cookie if the navigation started in another program
            answer = Response(_ENTER_PAGE, media_type="text/html; charset=utf-8")
            answer.set_cookie(
                _cookie_name(request),
                self._access.session(reviewer),
                max_age=SESSION_S,
                path="/",
                secure=self._access.secure,
                httponly=True,
                samesite="strict",
            )
            return answer
        try:
            reviewer = self._access.reviewer_of_session(request.cookies.get(_cookie_name(request), ""))
        except ValueError:
            reviewer = None
        if reviewer is None:
            return error_response(401, "open the link with your token")
        try:
            review = await run_in_threadpool(self._service.review)
        except WsvadError as error:
            return error_response(http_status(error), str(error))
        title = {"title": review.options.title or f"Review of night {review.archive.source['night']}"}
        page = render_page(title, "served")
        policy = _POLICY.search(page)
        header = policy[1].decode() + "; frame-ancestors 'none'" if policy else CLOSED_POLICY
        header = header.replace("&#39;", "'")
        return Response(page, headers={"Content-Security-Policy": header}, media_type="text/html; charset=utf-8")

    async def review(self, request: Request, reviewer: str) -> Response:
        """Return the document."""

        def work() -> bytes:
            document = self._service.document(reviewer, self._linker(reviewer))
            self._audit.note(reviewer, "opened", review_id=document["review_id"], shown=len(document["events"]))
            return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()

        return Response(await run_in_threadpool(work), media_type="application/json")

    async def verdicts(self, request: Request, reviewer: str) -> Response:
        """Return the records of all reviewers since a sequence number."""
        since = request.query_params.get("since", "0")
        if not re.fullmatch(r"\d{1,12}", since, re.ASCII):
            raise RequestRefused(400, "since must be a number")
        found, following = await run_in_threadpool(self._service.since, int(since))
        return json_response({"verdicts": [verdict.to_dict() for verdict in found], "next": following})

    async def add_verdict(self, request: Request, reviewer: str) -> Response:
        """Store a record; respond after the store has confirmed it."""
        plain = await json_body(request)
        review = await run_in_threadpool(self._service.review)
        filled = complete_record(
            plain, reviewer=reviewer, model=str(review.archive.source["model"]), review_id=review.review_id
        )
        try:
            verdict = parse_verdict(filled)
        except UsageError as error:
            raise RequestRefused(400, str(error)) from error
        problem = await run_in_threadpool(self._service.problem_of, verdict)
        if problem:
            raise RequestRefused(409, problem)
        new = await run_in_threadpool(self._service.add, verdict)
        return json_response(verdict.to_dict(), 201 if new else 200)

    async def clip(self, request: Request, reviewer: str) -> Response:
        """Return the pictures of an event, created if missing."""
        return await self._pictures(request, reviewer, make=True)

    async def links(self, request: Request, reviewer: str) -> Response:
        """Return new links to the pictures of an event."""
        return await self._pictures(request, reviewer, make=False)

    async def _pictures(self, request: Request, reviewer: str, *, make: bool) -> Response:
        event_id = (await json_body(request)).get("event_id")
        if not isinstance(event_id, str):
            raise RequestRefused(400, "event_id must be a string")
        try:
            (await run_in_threadpool(self._service.review)).of(event_id)
        except UsageError as error:
            raise RequestRefused(404, str(error)) from error
        link = self._linker(reviewer)
        try:
            return json_response(await run_in_threadpool(lambda: self._service.pictures(event_id, link, make=make)))
        except (UsageError, VideoError, ObjectNotFound) as error:
            raise RequestRefused(422, f"the video cannot be shown: {error}") from error

    async def export(self, request: Request, reviewer: str) -> Response:
        """Return events or verdicts as a file."""
        what, form = request.query_params.get("what"), request.query_params.get("format")
        if what not in ("events", "verdicts") or form not in ("csv", "json"):
            raise RequestRefused(400, "expected what=events|verdicts and format=csv|json")

        def work() -> str:
            review = self._service.review()
            self._audit.note(reviewer, "exported", what=what, format=form, shown=len(review.choice.items))
            if what == "events":
                rows = [item.row for item in review.choice.items]
                return to_csv(rows) if form == "csv" else to_json(rows)
            records = [verdict.to_dict() for verdict in self._service.records()]
            if form == "csv":
                return to_csv(records, COLUMNS)
            return json.dumps(
                {"format": FORMAT, "kind": EXPORT, "review_id": review.review_id, "verdicts": records}, indent=1
            )

        text = await run_in_threadpool(work)
        data = text.encode("utf-8", "backslashreplace")
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
        return Response(data, headers=attachment_headers(f"{what}.{form}"), media_type=kind)

    async def case(self, request: Request, reviewer: str) -> Response:
        """Return selected events as a case file."""
        ids = (await json_body(request)).get("event_ids")
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise RequestRefused(400, "event_ids must be a list of strings")

        def work() -> bytes:
            try:
                review = restrict_to_events(self._service.review(), ids)
            except UsageError as error:
                raise RequestRefused(404, str(error)) from error
            assert review.folder is not None
            self._audit.note(reviewer, "case", ids)
            return case_zip(review, review.folder, verdicts_of_case(review, self._service.records()))

        data = await run_in_threadpool(work)
        return Response(data, headers=attachment_headers("case.zip"), media_type="application/zip")

    async def media(self, request: Request, reviewer: str) -> Response:
        """Return a picture, or a range of it, for a link signed for this reviewer."""
        name, file = request.path_params["name"], request.path_params["file"]
        query = request.query_params
        if not re.fullmatch("[0-9a-f]{32}", name) or file not in FILES:
            raise RequestRefused(404, "unknown picture")
        if not self._access.is_signed(reviewer, name, file, query.get("e", ""), query.get("s", "")):
            raise RequestRefused(403, "the link has expired")

        def work() -> Response:
            try:
                event_id, size, read = self._service.file(name, file)
            except (UsageError, ObjectNotFound) as error:
                raise RequestRefused(404, "unknown picture") from error
            if file.startswith("clip."):
                self._audit.record_view(reviewer, event_id)
            span = byte_range(request.headers.get("range"), size)
            headers = {"Accept-Ranges": "bytes", "Cache-Control": f"private, max-age={LINK_S // 3}"}
            if span is None:
                return Response(read(0, size), 200, headers, FILES[file])
            if span[0] >= span[1]:
                return Response(b"", 416, {**headers, "Content-Range": f"bytes */{size}"}, FILES[file])
            headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
            return Response(read(*span), 206, headers, FILES[file])

        return await run_in_threadpool(work)

    def _linker(self, reviewer: str) -> Callable[[str, str], str]:
        return lambda name, file: f"media/{name}/{file}?{self._access.sign(reviewer, name, file)}"


def _cookie_name(request: Request) -> str:
    """Return the name of the session cookie; it contains the port, because browsers send cookies to all ports of a
    host.
    """
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdecimal() else COOKIE
