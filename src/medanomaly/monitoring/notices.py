"""Tell people what crossed a limit, and what no longer does: by mail, and by a message that is posted to a URL.

A notice holds names of models, columns and subgroups, and figures; never an id or a value of a patient.
"""

import json
import logging
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from urllib.parse import urlsplit

from medanomaly.core.errors import ConfigurationError
from medanomaly.monitoring.params import MailParams, MonitoringParams

logger = logging.getLogger(__name__)

PASSWORD = "MEDANOMALY_MAIL_PASSWORD"
SECONDS = 20.0
FOOTER = "Research use only. Not a medical device."


def send_notices(
    params: MonitoringParams,
    dataset: str,
    period: str,
    new: Sequence[str],
    standing: Sequence[str],
    gone: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Send what is new and what is gone, where there is any; what stands as before is named, but is no reason to send.

    Whoever cannot be reached costs nobody else the notice, and does not stop the monitoring.

    Args:
        params: where notices go.
        dataset: name of the data set.
        period: name of the period.
        new, standing, gone: sentences.

    Returns:
        Who was told, and who could not be reached with the reason.
    """
    if not (new or gone):
        return [], []
    ways: list[tuple[str, Callable[[], None]]] = []
    if params.webhook:
        message = {
            "source": "medanomaly", "dataset": dataset, "period": period, "new": list(new), "standing": list(standing),
            "gone": list(gone),
        }  # fmt: skip
        # the path of a webhook is often its secret
        ways.append((f"webhook {urlsplit(params.webhook).hostname}", lambda: post(params.webhook, message)))
    if params.mail is not None:
        mail = params.mail
        subject = f"medanomaly, {dataset}: " + (f"{len(new)} new" if new else f"{len(gone)} gone")
        text = notice_text(period, new, standing, gone)
        ways.append((f"mail to {', '.join(mail.to)}", lambda: send_mail(mail, subject, text)))
    told, not_told = [], []
    for name, send in ways:
        try:
            send()
        except (OSError, smtplib.SMTPException, ConfigurationError) as error:
            # the text of an error may repeat the address
            why = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
            not_told.append(f"{name}: {why}")
            logger.error("not told: %s", not_told[-1])
        else:
            told.append(name)
    return told, not_told


def notice_text(period: str, new: Sequence[str], standing: Sequence[str], gone: Sequence[str]) -> str:
    """A notice in plain text."""
    parts = [f"Period {period}."]
    for title, sentences in (("New", new), ("Gone", gone), ("As before", standing)):
        if sentences:
            parts.append("\n".join([f"{title}:", *(f"- {sentence}" for sentence in sentences)]))
    return "\n\n".join([*parts, FOOTER]) + "\n"


def post(url: str, message: dict) -> None:
    """Post JSON.

    Raises:
        ConfigurationError: the URL is neither https nor http.
        OSError: the server cannot be reached, or does not answer with success.
    """
    if urlsplit(url).scheme not in ("https", "http"):
        raise ConfigurationError(
            "a webhook has to begin with https:// or http://", source="monitoring.webhook"
        )
    body = json.dumps(message).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass


def send_mail(mail: MailParams, subject: str, text: str) -> None:
    """Send a mail.

    Raises:
        ConfigurationError: the server asks for a password, and none is given, or it would be sent in the clear.
        OSError, SMTPException: the server cannot be reached, or takes no mail.
    """
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, mail.sender, ", ".join(mail.to)
    message.set_content(text)
    password = os.environ.get(PASSWORD, "")
    if mail.user and not password:
        raise ConfigurationError(
            "the mail server asks for a password", source="monitoring.mail", remedy=f"Set {PASSWORD}."
        )
    if mail.user and not mail.tls:
        raise ConfigurationError(
            "a password would be sent without encryption", source="monitoring.mail", remedy="Set tls: true."
        )
    with smtplib.SMTP(mail.host, mail.port, timeout=SECONDS) as server:
        if mail.tls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, password)
        server.send_message(message)
