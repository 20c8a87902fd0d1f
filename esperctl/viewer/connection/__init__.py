"""The daemon's side: events, pages of history, searches and requests. The only part that runs asyncio streams."""
