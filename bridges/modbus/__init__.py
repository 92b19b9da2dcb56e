"""Modbus/TCP: meters, drives, small PLCs and gateways to serial lines."""

from __future__ import annotations

from bridges.modbus.address import ModbusAddress, Table
from bridges.modbus.config import ModbusConfig
from bridges.modbus.driver import ModbusDriver

__all__ = ["ModbusAddress", "ModbusConfig", "ModbusDriver", "Table"]
