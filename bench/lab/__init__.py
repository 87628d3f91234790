"""The laboratory of bench/run: two namespaces, the tools that make sandboxes, and what is measured in them."""
