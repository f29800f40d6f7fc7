"""The rules: one question a file, each with its threshold, the reason for it, and what it rests on."""
