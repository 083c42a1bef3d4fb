"""The schema of the tables, and the one beside it for the machinery. Pure: knows names, and no server.

Once the settings are read, the schema travels as the parameter `schema` of the database's URL, so that whoever gets the
URL cannot forget it; only `cogento/store/connecting.py` takes it off again, and no server ever sees it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

DEFAULT_SCHEMA = "public"
MAX_SCHEMA_LENGTH = 54
"""PostgreSQL cuts names after 63 bytes, and the machinery's schema has a suffix of nine."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PARAMETER = "schema"


def schema_name(text: str) -> str:
    """Return the name of a schema if it is valid; raises ValueError, which says what a name is made of."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "a schema's name is made of small letters, digits and underscores, and begins with no digit"
        )
    if len(text) > MAX_SCHEMA_LENGTH:
        raise ValueError(f"a schema's name has at most {MAX_SCHEMA_LENGTH} characters")
    if text.startswith("pg_") or text == "information_schema":
        raise ValueError("names that begin with pg_ and information_schema are PostgreSQL's own")
    return text


def internal_schema(schema: str) -> str:
    """Return the schema of the machinery: tables that belong to those of `schema` and that people need not see."""
    return "cogento_internal" if schema == DEFAULT_SCHEMA else f"{schema}_internal"


def search_path(schema: str) -> str:
    """Return the search path of every session of ours.

    The machinery's schema comes first, because nobody else may make anything there: an object in `schema` with the name of one
    of our tables is then not mistaken for it.
    """
    return f'"{internal_schema(schema)}", "{schema}", pg_temp'


def with_schema(url: str, schema: str) -> str:
    """Return the URL of a database with the schema as a parameter; without one for the default schema."""
    bare, _ = split_schema(url)
    if schema == DEFAULT_SCHEMA:
        return bare
    return f"{bare}{'&' if urlsplit(bare).query else '?'}{_PARAMETER}={schema}"


def split_schema(url: str) -> tuple[str, str]:
    """Return the URL as drivers read it, and the schema that it named."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = asked.pop(_PARAMETER, None)
    if schema is None:
        return url, DEFAULT_SCHEMA
    query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in asked.items())
    return urlunsplit(parts._replace(query=query)), schema


def for_people(url: str) -> str:
    """Return the URL as psql takes it, which then finds the tables without naming their schema."""
    bare, schema = split_schema(url)
    if schema == DEFAULT_SCHEMA:
        return bare
    return f"{bare}{'&' if urlsplit(bare).query else '?'}options=-csearch_path%3D{schema}"
