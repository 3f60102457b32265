"""The server of a review page: requests in, answers out. What it shows and keeps is at the desk."""

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
from wsvad.review.answers import (
    CLOSED,
    Refused,
    Shell,
    attached,
    byte_range,
    json_answer,
    json_body,
    refusal,
    status_of,
)
from wsvad.review.audit import Audit
from wsvad.review.case import case_zip, of_case, of_events
from wsvad.review.config import FORMAT
from wsvad.review.desk import Desk
from wsvad.review.rendering import render_page
from wsvad.review.verdicts import COLUMNS, EXPORT, completed, parse_verdict

log = logging.getLogger(__name__)

FILES = {
    "strip.jpg": "image/jpeg",
    "poster.jpg": "image/jpeg",
    "heat.png": "image/png",
    "clip.webm": "video/webm",
    "clip.mp4": "video/mp4",
}
"""Every file that is given out, and its type."""
_ENTER = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=./">'
    b'<title>Review</title></head><body><a href="./">Go on to the review</a></body></html>'
)
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]+)"')

Handler = Callable[[Request, str], Awaitable[Response]]


def make_app(desk: Desk, access: Access, audit: Audit) -> ASGIApp:
    """Return the server.

    Args:
        desk: what is shown and kept.
        access: who may look.
        audit: where it is written down.
    """
    server = _Server(desk, access, audit)
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
    return Shell(Starlette(routes=routes), access)


class _Server:
    def __init__(self, desk: Desk, access: Access, audit: Audit) -> None:
        self._desk, self._access, self._audit = desk, access, audit

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Let nobody in without a session, no request from other pages, and no error out but as a message."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request, self._check(request))
            except Refused as error:
                return refusal(error.status, str(error))
            except ClientDisconnect:
                return refusal(400, "the request ended early")
            except WsvadError as error:
                return refusal(status_of(error), str(error))

        return answer

    def _check(self, request: Request) -> str:
        """Return whose request it is. Raises ``Refused``."""
        headers = request.headers
        origin, host = headers.get("origin"), headers.get("host")
        if request.method == "POST":
            if headers.get("x-wsvad-request") != "1" or not self._access.is_own(origin, host):
                raise Refused(403, "the request does not come from the page of this server")
        elif origin is not None and not self._access.is_own(origin, host):
            raise Refused(403, "the request comes from another page")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "the request comes from another site")
        try:
            reviewer = self._access.reviewer_of_session(request.cookies.get(_cookie_name(request), ""))
        except ValueError:
            reviewer = None
        if reviewer is None:
            raise Refused(401, "your session has ended: open the link with your token again")
        return reviewer

    async def enter(self, request: Request) -> Response:
        """Give the page to whoever has a session, and a session to whoever has a token."""
        token = request.query_params.get("token")
        if token is not None:
            reviewer = self._access.reviewer_of_token(token)
            if reviewer is None:
                return refusal(401, "this token is not known")
            # no redirect: a browser would not send a strict cookie along with one that began in another program
            answer = Response(_ENTER, media_type="text/html; charset=utf-8")
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
            return refusal(401, "open the link with your token")
        try:
            review = await run_in_threadpool(self._desk.review)
        except WsvadError as error:
            return refusal(status_of(error), str(error))
        title = {"title": review.options.title or f"Review of night {review.archive.source['night']}"}
        page = render_page(title, "served")
        policy = _POLICY.search(page)
        said = policy[1].decode() + "; frame-ancestors 'none'" if policy else CLOSED
        said = said.replace("&#39;", "'")
        return Response(page, headers={"Content-Security-Policy": said}, media_type="text/html; charset=utf-8")

    async def review(self, request: Request, reviewer: str) -> Response:
        """The document."""

        def work() -> bytes:
            document = self._desk.document(reviewer, self._linker(reviewer))
            self._audit.note(reviewer, "opened", review_id=document["review_id"], shown=len(document["events"]))
            return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()

        return Response(await run_in_threadpool(work), media_type="application/json")

    async def verdicts(self, request: Request, reviewer: str) -> Response:
        """Records of all reviewers that are new since a number."""
        since = request.query_params.get("since", "0")
        if not re.fullmatch(r"\d{1,12}", since, re.ASCII):
            raise Refused(400, "since must be a number")
        found, following = await run_in_threadpool(self._desk.since, int(since))
        return json_answer({"verdicts": [verdict.to_dict() for verdict in found], "next": following})

    async def add_verdict(self, request: Request, reviewer: str) -> Response:
        """Keep a record; the answer comes when the store has it."""
        plain = await json_body(request)
        review = await run_in_threadpool(self._desk.review)
        filled = completed(
            plain, reviewer=reviewer, model=str(review.archive.source["model"]), review_id=review.review_id
        )
        try:
            verdict = parse_verdict(filled)
        except UsageError as error:
            raise Refused(400, str(error)) from error
        problem = await run_in_threadpool(self._desk.problem_of, verdict)
        if problem:
            raise Refused(409, problem)
        new = await run_in_threadpool(self._desk.add, verdict)
        return json_answer(verdict.to_dict(), 201 if new else 200)

    async def clip(self, request: Request, reviewer: str) -> Response:
        """Pictures of an event, made if they are not there."""
        return await self._pictures(request, reviewer, make=True)

    async def links(self, request: Request, reviewer: str) -> Response:
        """Fresh links to pictures of an event."""
        return await self._pictures(request, reviewer, make=False)

    async def _pictures(self, request: Request, reviewer: str, *, make: bool) -> Response:
        event_id = (await json_body(request)).get("event_id")
        if not isinstance(event_id, str):
            raise Refused(400, "event_id must be text")
        try:
            (await run_in_threadpool(self._desk.review)).of(event_id)
        except UsageError as error:
            raise Refused(404, str(error)) from error
        link = self._linker(reviewer)
        try:
            return json_answer(await run_in_threadpool(lambda: self._desk.pictures(event_id, link, make=make)))
        except (UsageError, VideoError, ObjectNotFound) as error:
            raise Refused(422, f"the video cannot be shown: {error}") from error

    async def export(self, request: Request, reviewer: str) -> Response:
        """Events or verdicts as a file."""
        what, form = request.query_params.get("what"), request.query_params.get("format")
        if what not in ("events", "verdicts") or form not in ("csv", "json"):
            raise Refused(400, "expected what=events|verdicts and format=csv|json")

        def work() -> str:
            review = self._desk.review()
            self._audit.note(reviewer, "exported", what=what, format=form, shown=len(review.choice.shown))
            if what == "events":
                rows = [shown.row for shown in review.choice.shown]
                return to_csv(rows) if form == "csv" else to_json(rows)
            records = [verdict.to_dict() for verdict in self._desk.records()]
            if form == "csv":
                return to_csv(records, COLUMNS)
            return json.dumps(
                {"format": FORMAT, "kind": EXPORT, "review_id": review.review_id, "verdicts": records}, indent=1
            )

        text = await run_in_threadpool(work)
        data = text.encode("utf-8", "backslashreplace")
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
        return Response(data, headers=attached(f"{what}.{form}"), media_type=kind)

    async def case(self, request: Request, reviewer: str) -> Response:
        """Some events as one file."""
        ids = (await json_body(request)).get("event_ids")
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise Refused(400, "event_ids must be a list of text")

        def work() -> bytes:
            try:
                review = of_events(self._desk.review(), ids)
            except UsageError as error:
                raise Refused(404, str(error)) from error
            assert review.folder is not None
            self._audit.note(reviewer, "case", ids)
            return case_zip(review, review.folder, of_case(review, self._desk.records()))

        data = await run_in_threadpool(work)
        return Response(data, headers=attached("case.zip"), media_type="application/zip")

    async def media(self, request: Request, reviewer: str) -> Response:
        """A picture, or a range of it, by a link that was signed for this reviewer."""
        name, file = request.path_params["name"], request.path_params["file"]
        query = request.query_params
        if not re.fullmatch("[0-9a-f]{32}", name) or file not in FILES:
            raise Refused(404, "there is no such picture")
        if not self._access.is_signed(reviewer, name, file, query.get("e", ""), query.get("s", "")):
            raise Refused(403, "the link is too old")

        def work() -> Response:
            try:
                event_id, size, read = self._desk.file(name, file)
            except (UsageError, ObjectNotFound) as error:
                raise Refused(404, "there is no such picture") from error
            if file.startswith("clip."):
                self._audit.looked(reviewer, event_id)
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
    """Return the name of a session's cookie: browsers send one to every port of a host, so the port is in its name."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdecimal() else COOKIE
