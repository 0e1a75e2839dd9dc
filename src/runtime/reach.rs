//! What a runtime's worker must reach in addition to files: device nodes, and kinds of sockets. Everything
//! else of `/dev` and of the network is closed to it.

/// What a worker may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Device nodes, and folders of device nodes. A `*` at the end stands for any rest of a name.
    pub devices: &'static [&'static str],
    /// Kinds of sockets.
    pub sockets: &'static [SocketKind],
}

/// Kinds of sockets that a runtime may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// AF_UNIX: NVIDIA's libraries talk to their daemons through it.
    Local,
    /// AF_NETLINK, the kernel's events of devices alone: libusb does not start without it.
    DeviceEvents,
}

impl Reach {
    /// The processor alone.
    pub const PROCESSOR: Self = Self { devices: &[], sockets: &[] };

    /// NVIDIA's GPUs: cards (`nvidia*`), and the boards of the Jetson series, whose releases up to R35 have
    /// `nvhost*` and later ones `nvgpu`. Names: the `devices.csv` of NVIDIA's container runtime for L4T.
    pub const NVIDIA: Self = Self { devices: NVIDIA_DEVICES, sockets: &[SocketKind::Local] };

    /// Coral: cards on PCIe, and sticks on USB, which change their node once their firmware is loaded.
    pub const EDGE_TPU: Self =
        Self { devices: &["/dev/apex_*", "/dev/bus/usb"], sockets: &[SocketKind::DeviceEvents] };

    /// Whatever accelerator a plug-in may drive.
    pub const ANY_ACCELERATOR: Self =
        Self { devices: ACCELERATORS, sockets: &[SocketKind::Local, SocketKind::DeviceEvents] };
}

const NVIDIA_DEVICES: &[&str] = &[
    "/dev/nvidia*",
    "/dev/nvhost*",
    "/dev/nvmap",
    "/dev/nvgpu",
    "/dev/nvsciipc",
    "/dev/host1x-fence",
    "/dev/dri",
    "/dev/dxg",
];

const ACCELERATORS: &[&str] = &[
    "/dev/nvidia*",
    "/dev/nvhost*",
    "/dev/nvmap",
    "/dev/nvgpu",
    "/dev/nvsciipc",
    "/dev/host1x-fence",
    "/dev/dri",
    "/dev/dxg",
    "/dev/kfd",
    "/dev/accel",
    "/dev/apex_*",
    "/dev/bus/usb",
    "/dev/dma_heap",
    "/dev/hailo*",
    "/dev/rknpu*",
    "/dev/mali*",
];
