"""Modbus/TCP and RTU: meters, drives, small PLCs, gateways and serial lines."""

from __future__ import annotations

from bridges.modbus.address import ModbusAddress, Table
from bridges.modbus.config import ModbusConfig
from bridges.modbus.driver import ModbusDriver

__all__ = ["ModbusAddress", "ModbusConfig", "ModbusDriver", "Table"]
