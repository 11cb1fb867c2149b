"""The exchange's request interface (REST): one question, one answer, or one sentence why there is none.

The collector asks for minutes, within a budget and again; this asks a few times a day.
"""

import httpx
import msgspec

from btc_core.errors import ConfigError, ExchangeError
from btc_store.settings import Settings, refuse_scaled_mainnet

ANSWER_SECONDS = 10.0
SHOWN_CHARACTERS = 100


def ask(settings: Settings, question: object) -> bytes:
    """Return the body of the exchange's answer to a question.

    Raises:
        ExchangeError: If it does not answer in time, or refuses.
    """
    try:
        refuse_scaled_mainnet(settings)
        return (
            httpx.post(
                settings.api_url,
                content=msgspec.json.encode(question),
                headers={"Content-Type": "application/json"},
                timeout=ANSWER_SECONDS,
            )
            .raise_for_status()
            .content
        )
    except ConfigError as error:
        raise ExchangeError(str(error)) from None
    except httpx.HTTPError as error:
        text = str(error).splitlines()[0] if str(error) else "no answer"
        raise ExchangeError(f"{settings.api_url} did not answer: {type(error).__name__}, {text}") from None


def unexpected(wanted: str, body: bytes, error: Exception) -> ExchangeError:
    """Return the error for an answer that is not what was asked for."""
    shown = body[:SHOWN_CHARACTERS].decode("utf-8", "replace")
    return ExchangeError(f"expected {wanted}, found {shown!r} ({error})")
