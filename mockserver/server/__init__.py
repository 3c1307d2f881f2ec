"""The HTTP shell: the only folder that imports aiohttp."""
