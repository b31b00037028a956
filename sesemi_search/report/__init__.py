"""What a search leaves to read: tables in the terminal."""
