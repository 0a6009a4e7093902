package store

import "testing"

func TestA210NetworkFileSystemsAreRefused(t *testing.T) {
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0xef53: "", 0x01021994: "", // ext4, tmpfs
	} {
		if got := network(magic); got != want {
			t.Errorf("%#x: got %q, want %q", magic, got, want)
		}
	}
}
