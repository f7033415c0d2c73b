"""The mail half of our Microsoft Graph, as a function of one request: strict about what the documentation forbids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from tests.servers.graph_mail import FakeFolder, Mail, Mailbox

SELECTABLE = {
    "id", "internetMessageId", "receivedDateTime", "parentFolderId", "isRead", "hasAttachments", "subject", "webLink",
}  # fmt: skip
ATTACHMENT_SELECTABLE = {"id", "name", "contentType", "size", "isInline", "lastModifiedDateTime"}
IMMUTABLE = 'IdType="ImmutableId"'


@dataclass
class Call:
    """One request, alone or out of a $batch."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]
    version: str = "v1.0"

    @property
    def immutable(self) -> bool:
        return IMMUTABLE in self.headers.get("prefer", "")

    @property
    def page(self) -> int:
        found = re.search(r"odata\.maxpagesize=(\d+)", self.headers.get("prefer", ""))
        return int(self.query.get("$top") or (found.group(1) if found else 10))


@dataclass
class Result:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, code: str, inner: str = "") -> Result:
    """Graph's error answer; some codes are told in the nested one only."""
    body: dict[str, Any] = {"code": code, "message": "Do not branch on this.", "innerError": {"request-id": "0"}}
    if inner:
        body["innerError"]["code"] = inner
    return Result(status, {"error": body})


class Api:
    """`handle` answers for one mailbox that the caller may open."""

    def __init__(self, base: Callable[[], str]) -> None:
        self._base = base
        self.saved: dict[str, tuple[Mailbox, str, int, list[Any], int]] = {}
        self.empty_pages = True
        self.partial = False
        """Deltas tell only what changed, without the other properties."""

    def handle(self, call: Call, box: Mailbox, rest: str) -> Result:
        """`rest` is what follows `me` or `users/<upn>`."""
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, rest)
            if found and call.method == method:
                return answer(self, call, box, *(unquote(one) for one in found.groups()))
        return error(404 if call.method == "GET" else 405, "BadRequest")

    def _folder(self, box: Mailbox, name: str) -> str | None:
        return box.known.get(name.lower()) or (name if name in box.folders or name == box.root else None)

    def folder(self, call: Call, box: Mailbox, name: str) -> Result:
        found = self._folder(box, name)
        if found is None:
            return error(404, "ErrorItemNotFound")
        return Result(200, self._shown_folder(box, box.folders.get(found) or FakeFolder(box.root, "Haut", "")))

    def _shown_folder(self, box: Mailbox, folder: FakeFolder) -> dict[str, Any]:
        shown: dict[str, Any] = {"@odata.type": "#microsoft.graph.mailSearchFolder"} if folder.search else {}
        children = [one for one in box.folders.values() if one.parent == folder.id]
        return shown | {
            "id": folder.id,
            "displayName": folder.name,
            "parentFolderId": folder.parent,
            "childFolderCount": len(children),
            "totalItemCount": len(box.inside(folder.id)),
        }

    def roots(self, call: Call, box: Mailbox) -> Result:
        return self.children(call, box, "msgfolderroot")

    def children(self, call: Call, box: Mailbox, name: str) -> Result:
        parent = self._folder(box, name)
        if parent is None:
            return error(404, "ErrorItemNotFound")
        there = [self._shown_folder(box, one) for one in box.folders.values() if one.parent == parent]
        return self._paged(call, there, f"{self._owner(box)}/mailFolders/{quote(parent)}/childFolders")

    def make_root(self, call: Call, box: Mailbox) -> Result:
        return self.make(call, box, "msgfolderroot")

    def make(self, call: Call, box: Mailbox, name: str) -> Result:
        parent, wanted = self._folder(box, name), call.body.get("displayName")
        if parent is None or not wanted:
            return error(404, "ErrorItemNotFound")
        if any(one.parent == parent and one.name.casefold() == wanted.casefold() for one in box.folders.values()):
            return error(409, "ErrorFolderExists")
        return Result(201, self._shown_folder(box, box.folder(wanted, parent)))

    def _paged(self, call: Call, values: list[Any], path: str) -> Result:
        skip, top = int(call.query.get("$skip", 0)), call.page
        if not 1 <= top <= 1000:
            return error(400, "ErrorInvalidArgument")
        body: dict[str, Any] = {"value": values[skip : skip + top]}
        if skip + top < len(values):
            query = "&".join(f"{k}={quote(v, safe='')}" for k, v in (call.query | {"$skip": str(skip + top)}).items())
            body["@odata.nextLink"] = f"{self._base()}/{path}?{query}"
        return Result(200, body)

    def _owner(self, box: Mailbox) -> str:
        return f"users/{quote(box.upn)}"

    def _selected(self, call: Call, shown: dict[str, Any]) -> dict[str, Any]:
        wanted = call.query.get("$select")
        return {k: v for k, v in shown.items() if not wanted or k in wanted.split(",") or k == "id"}

    def _bad_select(self, call: Call, allowed: set[str]) -> Result | None:
        wanted = set(call.query.get("$select", "id").split(","))
        return None if wanted <= allowed else error(400, "RequestBroker--ParseUri")

    def messages(self, call: Call, box: Mailbox, name: str) -> Result:
        folder = self._folder(box, name)
        if folder is None:
            return error(404, "ErrorItemNotFound")
        condition, order = call.query.get("$filter", ""), call.query.get("$orderby", "")
        if order and condition and not condition.startswith(order.split(" ")[0]):
            return error(400, "InefficientFilter")
        there = [mail for mail in box.inside(folder) if _matches(mail, condition)]
        there.sort(key=lambda mail: mail.received, reverse="desc" in order or not order)
        shown = [self._selected(call, box.shown(mail, call.immutable)) for mail in there]
        bad = self._bad_select(call, SELECTABLE)
        return bad or self._paged(call, shown, f"{self._owner(box)}/mailFolders/{quote(folder)}/messages")

    def delta(self, call: Call, box: Mailbox, name: str) -> Result:
        folder = self._folder(box, name)
        if folder is None:
            return error(404, "ErrorItemNotFound")
        state = call.query.get("$deltatoken") or call.query.get("$skiptoken")
        if state is None:
            bad = self._bad_select(call, SELECTABLE)
            if bad:
                return bad
            entries, start, select = box.round(folder, None), 0, call.query.get("$select", "")
            seen = len(box.log)
        elif set(call.query) - {"$deltatoken", "$skiptoken"}:
            return error(400, "BadRequest")  # the links are to be used untouched
        else:
            kind, generation, position, select, start_text = state.split("!")
            if int(generation) != box.generation:
                return error(410, "UnknownError", "SyncStateNotFound")
            if kind == "d":
                entries, start, seen = box.round(folder, int(position)), 0, len(box.log)
            else:
                _box, folder, seen, entries, start = self.saved[position]
                start = int(start_text)
        return self._delta_page(call, box, folder, seen, entries, start, select)

    def _delta_page(
        self, call: Call, box: Mailbox, folder: str, seen: int, entries: list[Any], start: int, select: str
    ) -> Result:
        size = 0 if self.empty_pages and start == 0 and entries and select[-1:] != "+" else call.page
        values = []
        for one, there in entries[start : start + size]:
            mail = box.mails.get(one)
            if there and mail is not None:
                shown = box.shown(mail, call.immutable)
                chosen = {"id", "isRead"} if self.partial else {*select.rstrip("+").split(","), "id"}
                values.append({k: v for k, v in shown.items() if k in chosen})
            else:
                values.append({"id": one, "@removed": {"reason": "deleted"}})
        path = f"{self._base()}/{self._owner(box)}/mailFolders/{quote(folder)}/messages/delta"
        if size == 0 or start + size < len(entries):
            key = str(len(self.saved))
            self.saved[key] = (box, folder, seen, entries, start + size)
            link = f"s!{box.generation}!{key}!{select.rstrip('+')}+!{start + size}"
            return Result(200, {"value": values, "@odata.nextLink": f"{path}?$skiptoken={quote(link, safe='')}"})
        link = f"d!{box.generation}!{seen}!{select.rstrip('+')}!0"
        return Result(200, {"value": values, "@odata.deltaLink": f"{path}?$deltatoken={quote(link, safe='')}"})

    def message(self, call: Call, box: Mailbox, name: str) -> Result:
        mail = box.find(name)
        if mail is None:
            return error(404, "ErrorItemNotFound")
        bad = self._bad_select(call, SELECTABLE)
        return bad or Result(200, self._selected(call, box.shown(mail, call.immutable)))

    def value(self, call: Call, box: Mailbox, name: str) -> Result:
        mail = box.find(name)
        return error(404, "ErrorItemNotFound") if mail is None else Result(200, mail.mime)

    def patch(self, call: Call, box: Mailbox, name: str) -> Result:
        mail = box.find(name)
        if mail is None:
            return error(404, "ErrorItemNotFound")
        box.mark(mail, bool(call.body["isRead"]))
        return Result(200, box.shown(mail, call.immutable))

    def move(self, call: Call, box: Mailbox, name: str) -> Result:
        mail, target = box.find(name), self._folder(box, str(call.body.get("destinationId")))
        if mail is None:
            return error(404, "ErrorItemNotFound")
        if target is None:
            return error(404, "ErrorInvalidFolder")
        box.move(mail, target)
        return Result(201, box.shown(mail, call.immutable))

    def attachments(self, call: Call, box: Mailbox, name: str) -> Result:
        mail = box.find(name)
        if mail is None:
            return error(404, "ErrorItemNotFound")
        bad = self._bad_select(call, ATTACHMENT_SELECTABLE)
        if bad:
            return bad
        shown = [{"@odata.type": "#microsoft.graph.fileAttachment", "id": f"f{n}"} for n in range(mail.files)]
        shown += [
            {"@odata.type": "#microsoft.graph.referenceAttachment", "id": f"r{n}", "name": link["name"], "size": 412}
            for n, link in enumerate(mail.links)
        ]
        return self._paged(call, shown, f"{self._owner(box)}/messages/{quote(mail.id)}/attachments")

    def attachment(self, call: Call, box: Mailbox, name: str, which: str) -> Result:
        mail = box.find(name)
        if mail is None or not which.startswith("r"):
            return error(404, "ErrorItemNotFound")
        link = mail.links[int(which[1:])]
        shown = {"@odata.type": "#microsoft.graph.referenceAttachment", "id": which, "name": link["name"]}
        return Result(200, shown | ({"sourceUrl": link["url"]} if call.version == "beta" and link["url"] else {}))


def _matches(mail: Mail, condition: str) -> bool:
    for one in filter(None, condition.split(" and ")):
        _name, verb, text = one.split(" ")
        moment = datetime.fromisoformat(text).astimezone(UTC)
        if not {"ge": mail.received >= moment, "gt": mail.received > moment, "lt": mail.received < moment}[verb]:
            return False
    return True


def query_of(raw: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(raw, keep_blank_values=True).items()}


ONE = r"([^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Result]]] = [
    ("GET", "/mailFolders", Api.roots),
    ("POST", "/mailFolders", Api.make_root),
    ("GET", f"/mailFolders/{ONE}", Api.folder),
    ("GET", f"/mailFolders/{ONE}/childFolders", Api.children),
    ("POST", f"/mailFolders/{ONE}/childFolders", Api.make),
    ("GET", f"/mailFolders/{ONE}/messages", Api.messages),
    ("GET", f"/mailFolders/{ONE}/messages/delta", Api.delta),
    ("GET", f"/messages/{ONE}", Api.message),
    ("PATCH", f"/messages/{ONE}", Api.patch),
    ("GET", rf"/messages/{ONE}/\$value", Api.value),
    ("POST", f"/messages/{ONE}/move", Api.move),
    ("GET", f"/messages/{ONE}/attachments", Api.attachments),
    ("GET", f"/messages/{ONE}/attachments/{ONE}", Api.attachment),
]
