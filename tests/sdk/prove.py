#!/usr/bin/env python3
"""What others wrote takes what we send, and signs what we take: LINE's and Twilio's own libraries, Standard Webhooks,
python-telegram-bot, aiosmtpd and Python's own reading of mail. ORDERWIRE is the binary; each line is one thing seen."""

import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import re
import time
from datetime import datetime, timezone
from email import policy
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlencode, urlsplit

import standardwebhooks
import telegram
from linebot.v3.messaging import (
    ApiClient, Configuration, MessagingApi, PnpMessagesRequest, PushMessageRequest, PushMessageResponse, SentMessage,
    TextMessage,
)
from linebot.v3.webhook import SignatureValidator, WebhookParser
from linebot.v3.webhooks import (
    CallbackRequest, DeliveryContext, EventMode, MessageEvent, PnpDelivery, PnpDeliveryCompletionEvent, TextMessageContent,
    UserSource,
)
from twilio.request_validator import RequestValidator
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageList

from world import Mailbox, Program, Provider, Relay, post

SHOP_SECRET = "woo-test-secret-0123456789abcdef"
LINE_SECRET, BOT, BOT_SECRET = "line-secret", "110201543:telegram-token", "telegram-webhook-secret"
TWILIO, TWILIO_TOKEN = "AC00000000000000000000000000000000", "twilio-token"
CONTENT = "HX00000000000000000000000000000001"
HOOK_SECRET = "whsec_bW9jay13ZWJob29rLXNlY3JldC0wMTIzNDU2Nzg5"
PUBLIC = "https://notify.example.com"
LINE_USER, CHAT, PHONE = "U4af49806292d4ce8b0e0a1c3d5f79b01", 218485655, "+886912345678"
# What a buyer may write: a header, markup of every kind, a direction mark, an emoji of several code points.
HOSTILE = "Lin\r\nX-Injected: yes\r\n\r\n*b*_[a](b)<b>&\"{{7*7}}\u202e👨‍👩‍👧"
seen = []


def ok(what):
    seen.append(what)
    print(f"ok: {what}", flush=True)


def refuses(what, check):
    """`check` must fail: what takes everything proves nothing."""
    try:
        check()
    except Exception:
        return
    raise AssertionError(f"{what} was taken")


# ── what the relay's providers answer, made by the libraries themselves ──────────────────────────────────────────────


def chat_message(text="…", **more):
    chat = telegram.Chat(CHAT, "private")
    who = telegram.User(CHAT, "Mei", False)
    return telegram.Message(7, datetime.now(timezone.utc), chat, from_user=who, text=text, **more)


def answers(request):
    path = request["path"]
    if path == "/v2/bot/message/push":
        sent = SentMessage(id="461230966842064897", quoteToken="q")
        return 200, PushMessageResponse(sentMessages=[sent]).to_dict()
    if path.endswith("/sendMessage"):
        return 200, {"ok": True, "result": chat_message().to_dict()}
    if path.endswith("/Messages.json"):
        return 201, {"sid": "SM" + "0" * 32, "status": "queued", "account_sid": TWILIO}
    return 200, {}


def order(number, status="processing"):
    """A webhook of a WooCommerce shop, signed as its own code signs."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    meta = [{"id": 1, "key": "line_user_id", "value": LINE_USER}, {"id": 2, "key": "telegram_id", "value": str(CHAT)}]
    body = json.dumps({
        "id": number, "number": str(number), "status": status, "currency": "TWD", "version": "11.0.1", "total": "1280",
        "date_created_gmt": now, "date_modified_gmt": now, "date_paid_gmt": now, "customer_id": 7, "order_key": "wc_order_x",
        "created_via": "checkout", "payment_method": "card", "payment_method_title": "Card", "needs_payment": False,
        "needs_processing": True, "meta_data": meta, "refunds": [], "customer_note": HOSTILE,
        "billing": {"first_name": HOSTILE, "last_name": "", "country": "TW", "phone": PHONE, "email": "mei@example.org"},
        "shipping": {"first_name": HOSTILE, "last_name": "", "country": "TW", "phone": ""},
        "line_items": [{"id": 1, "name": HOSTILE, "product_id": 11, "quantity": 1, "total": "1280", "price": 1280}],
        "shipping_lines": [{"method_title": "Shipping", "method_id": "flat_rate"}],
    }).encode()
    mac = base64.b64encode(hmac.new(SHOP_SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return body, {
        "content-type": "application/json", "x-wc-webhook-topic": "order.created", "x-wc-webhook-id": "2",
        "x-wc-webhook-source": "https://shop.example.com/", "x-wc-webhook-delivery-id": f"{number:032x}",
        "x-wc-webhook-signature": mac,
    }


# ── LINE ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def line_takes_what_we_send(provider):
    [push] = provider.wait(lambda r: r["path"] == "/v2/bot/message/push")
    document = json.loads(push["body"])
    # What the models do not know is lost on the way through them; what breaks a rule of theirs raises.
    theirs = PushMessageRequest.from_dict(document).to_dict()
    assert kept(document, theirs), (document, theirs)
    assert document["to"] == LINE_USER and re.fullmatch(r"[0-9a-f-]{36}", header(push, "x-line-retry-key"))
    ok("LINE's models read our push, and nothing of it is unknown to them")
    [phone] = provider.wait(lambda r: r["path"] == "/bot/pnp/push")
    document = json.loads(phone["body"])
    theirs = PnpMessagesRequest.from_dict(document).to_dict()
    assert kept(document, theirs), (document, theirs)
    assert document["to"] == hashlib.sha256(PHONE.encode()).hexdigest()
    tag = header(phone, "x-line-delivery-tag")
    assert 16 <= len(tag) <= 100 and header(phone, "x-line-retry-key") is None
    ok("LINE's models read our notification message")
    return tag


def line_signs_what_we_take(relay, number, tag):
    common = dict(mode=EventMode.ACTIVE, timestamp=int(time.time() * 1000),
                  deliveryContext=DeliveryContext(isRedelivery=False))
    wrote = MessageEvent(source=UserSource(userId=LINE_USER), webhookEventId="01FZ74A0TDDPYRVKNK77XKC3ZR", replyToken="r",
                         message=TextMessageContent(id="1", text="嗨😀", quoteToken="q"), **common)
    arrived = PnpDeliveryCompletionEvent(delivery=PnpDelivery(data=tag), webhookEventId="01FZ74A0TDDPYRVKNK77XKC3ZS", **common)
    for event in (wrote, arrived):
        body = json.dumps({"destination": "U" + "0" * 32, "events": [event.to_dict()]}, ensure_ascii=False)
        mac = base64.b64encode(hmac.new(LINE_SECRET.encode(), body.encode(), hashlib.sha256).digest()).decode()
        assert SignatureValidator(LINE_SECRET).validate(body, mac)
        url, sent = f"{relay.web}/callbacks/line-main", {"content-type": "application/json", "x-line-signature": mac}
        assert post(url, body, sent) == 200
        assert post(url, body + " ", sent) in (401, 403)
    relay.comes_to(number, lambda item: item["state"] == "delivered")
    ok("our door takes LINE's events as its library makes and validates them; a delivery becomes a receipt")


def line_takes_what_the_mock_signs(mock, provider, control):
    post(f"{control}/say/line/{LINE_USER}", json.dumps({"text": "你好"}), {})
    [call] = provider.wait(lambda r: r["path"].endswith("/callbacks/line-main"))
    parser, mac = WebhookParser("mock-line-secret"), header(call, "x-line-signature")
    [event] = parser.parse(call["body"].decode(), mac)
    assert event.message.text == "你好" and event.source.user_id == LINE_USER
    refuses("a changed callback", lambda: parser.parse(call["body"].decode() + " ", mac))
    ok("LINE's library takes what the understudy signs")
    with ApiClient(Configuration(host=control, access_token="mock-line-token")) as client:
        api = MessagingApi(client)
        assert api.push_message(PushMessageRequest(to=LINE_USER, messages=[TextMessage(text="x")])).sent_messages
        assert api.get_bot_info().basic_id and api.get_message_quota().type
        assert api.get_webhook_endpoint().endpoint.endswith("/callbacks/line-main")
        refuses("an empty text", lambda: api.push_message(PushMessageRequest(to=LINE_USER, messages=[TextMessage(text="")])))
    ok("LINE's client reads the understudy's answers")


# ── Twilio ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def twilio_takes_what_we_send(provider):
    [call] = provider.wait(lambda r: r["path"].endswith("/Messages.json"))
    fields = dict(parse_qsl(call["body"].decode(), strict_parsing=True))
    known = {name.title().replace("_", "") for name in inspect.signature(MessageList.create).parameters}
    assert set(fields) <= known, set(fields) - known
    assert fields["To"] == PHONE and fields["From"] == "+15005550006" and "好日選物" in fields["Body"]
    ok("Twilio's client knows every parameter that we send")
    return fields["StatusCallback"]


def twilio_signs_what_we_take(relay, callback):
    address = callback.split("#")[0]
    assert address.startswith(f"{PUBLIC}/callbacks/sms?")
    local = relay.web + address.removeprefix(PUBLIC)
    form = {"AccountSid": TWILIO, "MessageSid": "SM" + "0" * 32, "MessageStatus": "delivered", "To": PHONE}
    sign = RequestValidator(TWILIO_TOKEN).compute_signature
    headers = lambda mac: {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": mac}
    assert post(local, urlencode(form), headers(sign(address, form))) == 200
    assert post(local, urlencode(form | {"MessageStatus": "failed"}), headers(sign(address, form))) in (401, 403)
    inbound = {"AccountSid": TWILIO, "MessageSid": "SM" + "1" * 32, "From": PHONE, "To": "+15005550006", "Body": "嗨 & STOP?"}
    door = f"{PUBLIC}/callbacks/sms"
    assert post(f"{relay.web}/callbacks/sms", urlencode(inbound), headers(sign(door, inbound))) == 200
    ok("our door takes what Twilio's library signs, and nothing that was changed")


def twilio_takes_what_the_mock_signs(provider, control):
    post(f"{control}/say/twilio/{PHONE}", json.dumps({"text": "謝謝 & more"}), {})
    [call] = provider.wait(lambda r: urlsplit(r["path"]).path.endswith("/callbacks/sms"))
    form = dict(parse_qsl(call["body"].decode(), keep_blank_values=True))
    validator, mac = RequestValidator("mock-twilio-token"), header(call, "x-twilio-signature")
    assert validator.validate(PUBLIC + call["path"], form, mac)
    assert not validator.validate(PUBLIC + call["path"], form | {"Body": "x"}, mac)
    ok("Twilio's library takes what the understudy signs")

    class Here(TwilioHttpClient):
        """To the understudy, whichever of Twilio's hosts is meant."""

        def request(self, method, url, **more):
            return super().request(method, control + url[url.index("/", len("https://")) :], **more)

    client = Client(TWILIO, "mock-twilio-token", http_client=Here())
    sent = client.messages.create(to=PHONE, from_="+15005550006", body="x")
    assert sent.sid.startswith("SM") and sent.status == "queued"
    content = client.content.v1.contents(CONTENT)
    assert content.fetch().types and content.approval_fetch().fetch().whatsapp["status"] == "approved"
    refuses("an empty body", lambda: client.messages.create(to=PHONE, from_="+15005550006", body=""))
    refuses("a wrong token", lambda: Client(TWILIO, "wrong", http_client=Here()).messages.create(to=PHONE, from_="+1", body="x"))
    ok("Twilio's client reads the understudy's answers")


# ── Telegram ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def telegram_takes_what_we_send(provider):
    [call] = provider.wait(lambda r: r["path"] == f"/bot{BOT}/sendMessage")
    document = json.loads(call["body"])
    known = set(inspect.signature(telegram.Bot.send_message).parameters)
    assert set(document) <= known, set(document) - known
    entities = [telegram.MessageEntity.de_json(e, None) for e in document["entities"]]
    message = chat_message(document["text"], entities=entities)
    [bold] = message.parse_entities([telegram.MessageEntity.BOLD]).values()
    assert document["text"].startswith(bold) and "501" in bold, document
    if "reply_markup" in document:
        keyboard = telegram.InlineKeyboardMarkup.de_json(document["reply_markup"], None)
        assert keyboard.to_dict() == document["reply_markup"]
    options = telegram.LinkPreviewOptions.de_json(document["link_preview_options"], None)
    assert options.to_dict() == document["link_preview_options"]
    ok("python-telegram-bot reads our message, and its title is the bold part")


def telegram_signs_what_we_take(relay):
    body = telegram.Update(1, message=chat_message("/start")).to_json()
    door = f"{relay.web}/callbacks/telegram"
    secret = lambda word: {"content-type": "application/json", "x-telegram-bot-api-secret-token": word}
    assert post(door, body, secret(BOT_SECRET)) == 200
    assert post(door, body, secret("another-webhook-secret")) in (401, 403)
    ok("our door takes an update as python-telegram-bot writes it")


def telegram_takes_what_the_mock_says(provider, control):
    post(f"{control}/say/telegram/{CHAT}", json.dumps({"text": "嗨"}), {})
    [call] = provider.wait(lambda r: r["path"].endswith("/callbacks/telegram-bot"))
    update = telegram.Update.de_json(json.loads(call["body"]), None)
    assert update.message.text == "嗨" and update.effective_chat.id == CHAT

    async def ask():
        async with telegram.Bot("110201543:mock-telegram-token", base_url=f"{control}/bot") as bot:
            assert bot.username and (await bot.get_webhook_info()).url.endswith("/callbacks/telegram-bot")
            assert (await bot.send_message(CHAT, "x")).message_id
            try:
                await bot.send_message(CHAT, "x" * 5000)
            except telegram.error.BadRequest as error:
                assert "too long" in str(error), error
            else:
                raise AssertionError("a text that is too long was taken")

    asyncio.run(ask())
    ok("python-telegram-bot reads the understudy's updates and answers")


# ── Standard Webhooks ────────────────────────────────────────────────────────────────────────────────────────────────


def standard_webhooks(provider, mock, control):
    [call] = provider.wait(lambda r: r["path"] == "/erp")
    library, headers = standardwebhooks.Webhook(HOOK_SECRET), {n.lower(): v for n, v in call["headers"].items()}
    assert library.verify(call["body"], headers)["type"] == "order.order_placed"
    refuses("a changed body", lambda: library.verify(call["body"] + b" ", headers))
    refuses("another time", lambda: library.verify(call["body"], headers | {"webhook-timestamp": "1795593600"}))
    ok("the Standard Webhooks library verifies what we sign")
    body, now = call["body"].decode(), datetime.now(timezone.utc)
    mac = library.sign("msg_1", now, body)
    sent = {"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    url = re.search(r'webhook: url = \{ value = "([^"]+)"', "\n".join(mock.lines)).group(1)
    good, bad = (post(url, body, sent | {"webhook-signature": s}) for s in (mac, mac[:-4] + "AAA="))
    assert good in range(200, 300) and bad in (400, 401, 403), (good, bad)
    ok("the understudy of a receiver takes what the library signs")


# ── e-mail ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def mail(mailbox):
    envelope = mailbox.next()
    assert envelope.rcpt_tos == ["mei@example.org"] and envelope.mail_from == "orders@shop.example.com"
    message = BytesParser(policy=policy.default).parsebytes(envelope.original_content)
    assert not [d for part in message.walk() for d in part.defects]
    assert all(len(line) <= 998 for line in envelope.original_content.split(b"\r\n"))
    [sender] = message["from"].addresses
    assert (sender.display_name, sender.addr_spec) == ("小樹選物", "orders@shop.example.com")
    assert message["to"].addresses[0].addr_spec == "mei@example.org" and message["reply-to"].addresses
    assert "501" in message["subject"] and "\n" not in message["subject"]
    assert message["x-injected"] is None and message["date"].datetime and message["message-id"]
    assert message["auto-submitted"] == "auto-generated"
    links = re.findall(r"<([^>]+)>", message["list-unsubscribe"])
    assert any(link.startswith(f"{PUBLIC}/p/") for link in links), links
    assert any(link.startswith("mailto:unsubscribe@shop.example.com") for link in links), links
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert message.get_content_type() == "multipart/alternative" and plain and html
    assert "501" in plain.get_content() and "<html" in html.get_content() and "<b>&\"" not in html.get_content()
    ok("a mail server takes our mail; Python reads its headers, both parts, and the way to unsubscribe")


def header(request, name):
    return next((v for n, v in request["headers"].items() if n.lower() == name), None)


def kept(ours, theirs):
    """Whether all of `ours` is in `theirs`, which may have defaults besides."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(k in theirs and kept(v, theirs[k]) for k, v in ours.items())
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(kept, ours, theirs))
    return ours == theirs


def main():
    provider, mailbox = Provider(answers), Mailbox()
    relay = Relay(provider, mailbox)
    mock = Program(
        ["mock", "--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--relay", provider.url, "--line-token", "mock-line-token",
         "--line-secret", "mock-line-secret", "--twilio-token", "mock-twilio-token", "--webhook-secret", HOOK_SECRET,
         "--content", CONTENT],
        "what was received",
    )
    control = re.search(r'"(http://127\.0\.0\.1:\d+)"', mock.lines[0]).group(1)
    try:
        assert post(f"{relay.web}/hooks/woocommerce/tea", *order(501)) == 200
        tag = line_takes_what_we_send(provider)
        callback = twilio_takes_what_we_send(provider)
        telegram_takes_what_we_send(provider)
        mail(mailbox)
        standard_webhooks(provider, mock, control)
        line_signs_what_we_take(relay, 501, tag)
        twilio_signs_what_we_take(relay, callback)
        telegram_signs_what_we_take(relay)
        line_takes_what_the_mock_signs(mock, provider, control)
        twilio_takes_what_the_mock_signs(provider, control)
        telegram_takes_what_the_mock_says(provider, control)
    finally:
        mock.end()
        relay.end()
        mailbox.controller.stop()
    print(f"sdk: {len(seen)} proofs by others' code")


if __name__ == "__main__":
    main()
