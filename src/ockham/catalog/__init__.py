"""Facts that age, read in one place: models, devices, engines and prices, each with its date and source."""

from ockham.catalog.architectures import SHIPPED, Shape, revision, shape, shapes, shipped
from ockham.catalog.devices import Device, DeviceKind, Engine, device, devices, engine, engines
from ockham.catalog.prices import (
    FRESH_DAYS,
    ApiPrice,
    MachinePrice,
    PowerPrice,
    Prices,
    PurchasePrice,
    RentPrice,
    prices,
)

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
