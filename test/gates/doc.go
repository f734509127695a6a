// Package gates lets real programs meet the gates, routes and PROXY headers of a real rouse: openssl, curl, HAProxy, nginx, and
// a storm of scanners. A test whose programs are not installed is skipped and names the Debian package.
package gates
