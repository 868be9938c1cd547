"""What extensions declare in these tests is taken back, as in the tests of plugins."""

from tests.plugins.conftest import clean_declarations

__all__ = ["clean_declarations"]
