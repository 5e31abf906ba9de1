"""Facts that age, read in one place: models, devices, engines and prices, each with its date and source."""

from ockham.catalog.device_list import Device, DeviceKind, Engine, device, devices, engine, engines
from ockham.catalog.price_list import (
    FRESH_DAYS,
    ApiPrice,
    MachinePrice,
    PowerPrice,
    Prices,
    PurchasePrice,
    RentPrice,
    prices,
)
from ockham.catalog.shape_list import Shape, revision, shape, shapes
from ockham.catalog.shipped import SHIPPED, shipped

__all__ = [
    "FRESH_DAYS",
    "SHIPPED",
    "ApiPrice",
    "Device",
    "DeviceKind",
    "Engine",
    "MachinePrice",
    "PowerPrice",
    "Prices",
    "PurchasePrice",
    "RentPrice",
    "Shape",
    "device",
    "devices",
    "engine",
    "engines",
    "prices",
    "revision",
    "shape",
    "shapes",
    "shipped",
]
