//go:build !unix

package gate

// DescriptorLimit returns how many descriptors this process may have open. Systems
// without such a limit get a cautious one.
func DescriptorLimit() uint64 { return 16384 }
