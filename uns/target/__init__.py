"""Targets: ERP, MES and other ends that messages are delivered to; one file each."""
