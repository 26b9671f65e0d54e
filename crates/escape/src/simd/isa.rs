//! Which instruction set the kernels run on.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::{Kernel, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// An instruction set that kernels are compiled for. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// x86-64 with AVX-512F, VL and DQ: every AVX-512 but Knights Landing's. Without VL the upper sixteen registers can
    /// hold no half of a vector, and the compiler spills.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// Arrays and what the compiler makes of them: NEON on aarch64, where a fused multiply-add is one instruction; on
    /// an x86-64 without FMA, a call into the C library for each, tens of times slower.
    Portable,
}

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "TAUGRID_ISA";

impl Isa {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Its name, as in `TAUGRID_ISA`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512dq")
                    && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Those that this machine has.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Whether a multiply-add is slow with it on this machine.
    pub fn is_slow(self) -> bool {
        self == Self::Portable && cfg!(not(target_arch = "aarch64"))
    }

    /// What `TAUGRID_ISA` says; without it, the fastest that this machine has.
    ///
    /// # Errors
    /// If `TAUGRID_ISA` names none, or one that this machine lacks.
    pub fn from_environment() -> Result<Self, IsaError> {
        match std::env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => {
                let isa = name.parse::<Self>()?;
                if isa.is_available() { Ok(isa) } else { Err(IsaError { name, lacking: true }) }
            }
            _ => Ok(Self::available().next().unwrap_or(Self::Portable)),
        }
    }

    /// [`Self::from_environment`], looked up once; the fastest, if the environment asks for what cannot be. Programs
    /// check the environment when they start.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            Self::from_environment().unwrap_or_else(|_| Self::available().next().unwrap_or(Self::Portable))
        })
    }

    /// Runs a kernel, compiled for this instruction set.
    ///
    /// # Panics
    /// If the machine does not have it.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        assert!(self.is_available(), "this machine has no {self}");
        match self {
            // SAFETY: the machine has the features, as was just checked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::run(kernel, avx512::Avx512::new()) },
            // SAFETY: the machine has the features, as was just checked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::run(kernel, avx2::Avx2::new()) },
            _ => portable::run(kernel, portable::Portable),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An instruction set that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsaError {
    name: String,
    lacking: bool,
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lacking {
            write!(f, "{VARIABLE}: this machine has no {}; it has ", self.name)?;
            let mut separator = "";
            for isa in Isa::available() {
                write!(f, "{separator}{isa}")?;
                separator = ", ";
            }
            Ok(())
        } else {
            write!(f, "{VARIABLE}: {:?} is none of avx512, avx2, portable", self.name)
        }
    }
}

impl std::error::Error for IsaError {}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        Self::ALL
            .into_iter()
            .find(|isa| isa.as_str() == name)
            .ok_or_else(|| IsaError { name: name.to_owned(), lacking: false })
    }
}
