"""The name and version that pictures, pages and the API carry."""

NAME = "Easel"
VERSION = "0.2.0"
