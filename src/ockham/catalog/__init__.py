"""Facts that age, read in one place: models, devices, engines and prices, each with its date and source."""

from ockham.catalog.architectures import (
    SHIPPED,
    Architecture,
    LayerGroup,
    ModelSource,
    architectures,
    find_architecture,
    revision,
    shipped_folder,
)
from ockham.catalog.devices import Device, DeviceKind, ServingEngine, device, devices, engine, engines
from ockham.catalog.encoders import EncoderEntry, encoders
from ockham.catalog.model_sources import Download, download_limits, downloads, find_download
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
    "Architecture",
    "Device",
    "DeviceKind",
    "Download",
    "EncoderEntry",
    "LayerGroup",
    "MachinePrice",
    "ModelSource",
    "PowerPrice",
    "Prices",
    "PurchasePrice",
    "RentPrice",
    "ServingEngine",
    "architectures",
    "device",
    "devices",
    "download_limits",
    "downloads",
    "encoders",
    "engine",
    "engines",
    "find_architecture",
    "find_download",
    "prices",
    "revision",
    "shipped_folder",
]
