//! Network interfaces.

use std::io;
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;

use super::cerr;

/// The IPv4 addresses of the loopback interface (getifaddrs(3)): its own, and those that somebody has added to it.
///
/// # Errors
/// The kernel's refusal.
pub fn loopback_addresses() -> io::Result<Vec<Ipv4Addr>> {
    let mut list = MaybeUninit::<*mut libc::ifaddrs>::uninit();
    // SAFETY: getifaddrs writes one pointer to the live `list`.
    cerr(unsafe { libc::getifaddrs(list.as_mut_ptr()) })?;
    // SAFETY: getifaddrs has succeeded, so that it has written `list`.
    let list = unsafe { list.assume_init() };
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: a pointer of the list is null at its end, else to an entry that lives until freeifaddrs; nobody writes to it.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let is_loopback = entry.ifa_flags & libc::IFF_LOOPBACK.cast_unsigned() != 0;
        // SAFETY: an address of the list is null or to a whole sockaddr of the entry's, alive as the entry is.
        let family = unsafe { entry.ifa_addr.as_ref() }.map(|address| i32::from(address.sa_family));
        if is_loopback && family == Some(libc::AF_INET) {
            // SAFETY: an address of this family is a sockaddr_in; `read_unaligned` asks for no alignment.
            let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            found.push(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)));
        }
    }
    // SAFETY: the list is getifaddrs', whole, and not used any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_its_own_address() {
        assert!(loopback_addresses().expect("interfaces").contains(&Ipv4Addr::LOCALHOST));
    }
}
