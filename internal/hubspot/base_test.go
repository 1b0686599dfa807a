package hubspot

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewBaseCAFile(t *testing.T) {
	away := errors.New("file is away")
	for _, tc := range []struct {
		name string
		read func(string) ([]byte, error)
		want string
	}{
		{"missing", func(string) ([]byte, error) { return nil, away }, "read ca_file: file is away"},
		{"no certificate", func(string) ([]byte, error) { return []byte("hello"), nil }, "read ca_file: no certificate in it"},
	} {
		if _, err := NewBase(BaseConfig{CAFile: "ca.pem", ReadFile: tc.read}); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

// A proxy with a certificate of its own is reached with its authority and not without; HTTP/2 is used, old TLS is not.
func TestNewBaseTLS(t *testing.T) {
	protocol := ""
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		_, _ = w.Write([]byte(`{"portalId":7}`))
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(t.Output(), "", 0)
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	account := func(url, caFile string) error {
		base, err := NewBase(BaseConfig{CAFile: caFile})
		if err != nil {
			t.Fatal(err)
		}
		defer base.CloseIdleConnections()
		_, err = New(Config{BaseURL: url, HTTP: &http.Client{Transport: NewTransport(TransportConfig{Base: base})}}).Account(t.Context())
		return err
	}
	if err := account(s.URL, file); err != nil || protocol != "HTTP/2.0" {
		t.Errorf("with its authority: %v over %s", err, protocol)
	}
	if err := account(s.URL, ""); err == nil || !strings.Contains(err.Error(), "tls: x509: certificate signed by unknown authority") {
		t.Errorf("without its authority: %v", err)
	}
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = s.Config.ErrorLog
	old.StartTLS()
	defer old.Close()
	if err := account(old.URL, file); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}
