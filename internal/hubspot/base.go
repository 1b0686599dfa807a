package hubspot

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// BaseConfig is what the connection to HubSpot needs.
type BaseConfig struct {
	CAFile   string                       // PEM of further authorities; empty = the system's alone
	ReadFile func(string) ([]byte, error) // nil = os.ReadFile
}

// NewBase makes the innermost link: pooled connections, HTTP/2, TLS 1.2 or newer, the proxy of the environment, and a
// time-out for every step of making a connection. The time of a whole request is Config.Timeout. gzip is net/http's
// own.
func NewBase(cfg BaseConfig) (*http.Transport, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		read := cfg.ReadFile
		if read == nil {
			read = os.ReadFile
		}
		pem, err := read(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("read ca_file: no certificate in it")
		}
		settings.RootCAs = pool
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        settings,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           32,
		MaxIdleConnsPerHost:    32, // as many as requests are under way, or HTTP/1 would dial for each
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A connection that died in silence is noticed by pings, not by 15 s of nothing on every request after it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}, nil
}
