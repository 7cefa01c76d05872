"""The tables of this app, each in the module that uses it."""

from ingest.api_keys.models import ApiKey as ApiKey
from ingest.families.game_events.models import GameEvent as GameEvent
from ingest.families.product_events.models import ProductEvent as ProductEvent
