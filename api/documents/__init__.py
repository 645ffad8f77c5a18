"""Notices and criticisms (催办通知书, 通报批评) as HTML and PDF."""
