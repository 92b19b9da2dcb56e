"""OPC UA: one driver for every vendor's server."""

from bridges.opcua.address import NodeAddress
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.driver import OpcUaDriver

__all__ = ["NodeAddress", "OpcUaConfig", "OpcUaDriver"]
