"""Pictures as files: names, formats, the settings text inside, thumbnails and grids. No torch."""
