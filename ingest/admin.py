"""The operator's pages of this app, each in the module of what it shows."""

from ingest.api_keys.admin import ApiKeyAdmin as ApiKeyAdmin
from ingest.families.game_events.admin import GameEventAdmin as GameEventAdmin
from ingest.families.product_events.admin import ProductEventAdmin as ProductEventAdmin
