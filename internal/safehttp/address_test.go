package safehttp

import (
	"net/netip"
	"testing"
)

// forbidden is the matrix of A084, with what was found missing in the standard library's helpers.
var forbidden = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200",
	"127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.0.1",
	"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
	"198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
	"64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "100::1",
	"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
	"2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1",
	"ff02::1", "ff0e::1", "2a00:1450::1%eth0",
}

func TestA084SpecialAddressesAreNotPublic(t *testing.T) {
	none, err := parseAllow(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range forbidden {
		if ip := netip.MustParseAddr(text); public(ip) || none.permits("example.com", ip) {
			t.Errorf("%s may be reached", text)
		}
	}
}

func TestPublicAddressesAre(t *testing.T) {
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1",
		"172.15.255.255", "172.32.0.1", "192.0.1.1", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255",
		"::ffff:8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "2a00:1450:4001::1",
	} {
		if !public(netip.MustParseAddr(text)) {
			t.Errorf("%s may not be reached", text)
		}
	}
}

func TestAllow(t *testing.T) {
	tests := []struct {
		name, allow, host, addr string
		want                    bool
	}{
		{"a named host on loopback", "idp.internal", "idp.internal", "127.0.0.1", true},
		{"a named host on a private network", "idp.internal", "idp.internal", "10.1.2.3", true},
		{"a named host in the private part of IPv6", "idp.internal", "idp.internal", "fd12::1", true},
		{"a named host in the public", "idp.internal", "idp.internal", "8.8.8.8", true},
		{"another host at the same address", "idp.internal", "other.internal", "10.1.2.3", false},
		{"a host below the named one", "idp.internal", "x.idp.internal", "10.1.2.3", false},
		{"a named host at the cloud's metadata", "idp.internal", "idp.internal", "169.254.169.254", false},
		{"a named host at Amazon's metadata", "idp.internal", "idp.internal", "fd00:ec2::254", false},
		{"a named host at Alibaba's metadata", "idp.internal", "idp.internal", "100.100.100.200", false},
		{"a named host at no address", "idp.internal", "idp.internal", "0.0.0.0", false},
		{"a named host in a zone", "idp.internal", "idp.internal", "fe80::1%lo", false},
		{"a named host written large", "IdP.Internal", "idp.internal", "10.1.2.3", true},
		{"any host in a named network", "10.0.0.0/8", "idp.internal", "10.1.2.3", true},
		{"a mapped address of a named network", "10.0.0.0/8", "idp.internal", "::ffff:10.1.2.3", true},
		{"another network", "10.0.0.0/8", "idp.internal", "192.168.1.1", false},
		{"a named address", "127.0.0.1", "127.0.0.1", "127.0.0.1", true},
		{"its neighbour", "127.0.0.1", "127.0.0.2", "127.0.0.2", false},
		{"the metadata, by its address", "169.254.169.254", "metadata", "169.254.169.254", true},
		{"a translated public address", "64:ff9b::/96", "example.com", "64:ff9b::8.8.8.8", true},
		{"a translated private address", "64:ff9b::/96", "example.com", "64:ff9b::10.0.0.1", false},
		{"a private address inside 6to4", "2002::/16", "example.com", "2002:a00:1::1", false},
		{"a loopback address inside Teredo", "2001::/32", "example.com", "2001::80ff:fffe", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := parseAllow([]string{tt.allow})
			if err != nil {
				t.Fatal(err)
			}
			if got := a.permits(tt.host, netip.MustParseAddr(tt.addr)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestAllowIsReadStrictly(t *testing.T) {
	for _, entry := range []string{"", "*", "*.internal", "https://idp.internal", "idp.internal:8080", "10.0.0.1/8", "10.0.0", "0x7f.1", "fe80::1%lo", "a b", "-a", "a..b"} {
		if _, err := (Policy{Allow: []string{entry}}).Client(); err == nil {
			t.Errorf("%q was taken", entry)
		}
	}
}
