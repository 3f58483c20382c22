"""Search your own footage by picture and by sound, across the two."""
