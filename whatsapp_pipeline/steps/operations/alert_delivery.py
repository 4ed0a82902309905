"""Delivery of an alert as a JSON post to a URL or as an e-mail.

What belongs here: sending one alert. What does not: finding problems (automation/alert_sensor.py).
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import asdict
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from whatsapp_pipeline.domain.alert_text import Alert
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.settings import Settings

_TIMEOUT = 10  # seconds


def is_configured(settings: Settings) -> bool:
    """Return whether alerts have a receiver."""
    return bool(settings.alert_webhook_url or settings.alert_email_to)


def send(settings: Settings, alert: Alert) -> None:
    """Deliver an alert to every receiver of the settings, the URL first.

    Raises PipelineError at the first receiver that refuses the alert.
    """
    if settings.alert_webhook_url:
        _post(settings.alert_webhook_url.get_secret_value(), alert)
    if settings.alert_email_to:
        _mail(settings, alert)


def _post(url: str, alert: Alert) -> None:
    import requests  # imported here, because most processes never send an alert

    try:
        # Incoming webhooks of chat programs show `text`; the other fields are for programs.
        answer = requests.post(url, json=asdict(alert), timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        # The URL often contains a secret, so neither it nor the error's text, which quotes it, is shown.
        raise PipelineError(f"ALERT_WEBHOOK_URL could not be reached ({type(error).__name__})") from None
    if not 200 <= answer.status_code < 300:
        raise PipelineError(f"ALERT_WEBHOOK_URL answered {answer.status_code}")


def _mail(settings: Settings, alert: Alert) -> None:
    if not settings.smtp_url or not settings.alert_email_from:
        raise SettingError("ALERT_EMAIL_TO needs SMTP_URL and ALERT_EMAIL_FROM")
    message = EmailMessage()
    message["Subject"] = alert.subject
    message["From"], message["To"] = settings.alert_email_from, ", ".join(settings.alert_email_to)
    message.set_content(alert.text)
    parts = urlsplit(settings.smtp_url.get_secret_value())
    host, tls = parts.hostname or "localhost", ssl.create_default_context()
    try:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT, context=tls)
        else:
            server = smtplib.SMTP(host, parts.port or 587, timeout=_TIMEOUT)
        with server:
            if parts.scheme != "smtps" and server.has_extn("starttls"):
                server.starttls(context=tls)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise PipelineError(f"the e-mail server refused the alert ({type(error).__name__})") from None
