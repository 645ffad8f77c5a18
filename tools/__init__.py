"""Programs for developers: generated documentation, screenshots and checks. The wheel does not contain them."""
