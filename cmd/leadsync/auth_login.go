package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/auth"
	"leadsync/internal/secret"
)

// loginPatience is how long a person may take on HubSpot's pages.
const loginPatience = 15 * time.Minute

var errLoginPatience = errors.New("nobody came back from HubSpot's page")

func newAuthLoginCommand(env *environment) *cobra.Command {
	var browser, paste, repin bool
	c := &cobra.Command{
		Use:   "login",
		Short: "Connect the HubSpot account: a person grants access in a browser",
		Long: "Prints the address of HubSpot's page on a line of its own on standard output, and waits for the browser to come back to\n" +
			"hubspot.auth.redirect_url, on whose port it listens on this machine until then. The browser must run on this machine, or reach that\n" +
			"port through a tunnel (ssh -L 8976:localhost:8976). Where that is not possible, --paste reads the address that the browser ends at\n" +
			"from standard input; the page itself will not load there, which does not matter. The bare code is taken as well.\n\n" +
			"Then it asks HubSpot whose token it got, and pins the portal to that account; another one than before is refused unless --repin.\n" +
			"A daemon that runs finds the new login by itself, within a second.",
		Example: "  leadsync auth login\n  leadsync auth login --paste",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			return env.onGrant(c, func(w *grantWork) error {
				return w.login(c.Context(), browser, paste, repin)
			})
		},
	}
	c.Flags().BoolVar(&browser, "browser", false, "open the address in this machine's browser")
	c.Flags().BoolVar(&paste, "paste", false, "read the address that the browser ends at, or the bare code, from standard input")
	c.Flags().BoolVar(&repin, "repin", false, "let the portal move to another HubSpot account")
	return c
}

func (w *grantWork) login(ctx context.Context, browser, paste, repin bool) (err error) {
	attempt, err := w.client.Begin()
	if err != nil {
		return err
	}
	var callback *auth.Callback
	if !paste {
		if callback, err = auth.Listen(ctx, w.cfg.HubSpot.Auth.RedirectURL, attempt); err != nil {
			return err
		}
		defer func() { callback.Close(page(err)) }()
	}
	if _, err = fmt.Fprintln(w.env.stdout, attempt.URL); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	fmt.Fprint(w.env.stderr, hints(paste))
	if browser {
		if openErr := openBrowser(attempt.URL); openErr != nil {
			fmt.Fprintf(w.env.stderr, "leadsync: no browser could be started (%v); open the address yourself\n", openErr)
		}
	}
	code, err := w.code(ctx, attempt, callback)
	if err != nil {
		return err
	}
	pair, err := w.client.Exchange(ctx, code, attempt.Verifier())
	if err != nil {
		return err
	}
	got, err := w.connect(ctx, pair, repin)
	if err != nil {
		return err
	}
	return w.tell(got)
}

// hints say what to do, and what a person may see that never reaches this program: HubSpot shows faults of the request
// on its own page. https://github.com/n8n-io/n8n/issues/23204 (read 2026-11-22)
func hints(paste bool) string {
	text := "Open this address in a browser where you are logged in to HubSpot, choose the account, and press Connect app.\n"
	if paste {
		text += "Then copy the address that the browser ends at, whole, and paste it here. That its page does not load does not matter.\n"
	} else {
		text += "leadsync waits for the browser to come back.\n"
	}
	return text + "If HubSpot shows an error instead: about scopes, hubspot.auth.scopes must hold every required scope of the app and none that\n" +
		"the app does not declare; about the redirect URL, hubspot.auth.redirect_url must stand in the app's settings letter by letter;\n" +
		"about the account, it lacks a product that one of the scopes needs, or you are neither Super Admin nor have the permission\n" +
		"HubSpot Marketplace Access there.\n"
}

// code waits for the answer of the person.
func (w *grantWork) code(ctx context.Context, attempt *auth.Attempt, callback *auth.Callback) (secret.String, error) {
	if callback == nil {
		pasted, err := w.env.readLine(ctx)
		if err != nil {
			return secret.String{}, err
		}
		return attempt.Pasted(pasted.Reveal())
	}
	patient, cancel := context.WithTimeoutCause(ctx, loginPatience, errLoginPatience)
	defer cancel()
	query, err := callback.Wait(patient)
	switch {
	case errors.Is(err, errLoginPatience):
		return secret.String{}, fmt.Errorf("%w within %s; run `leadsync auth login` again, with --paste if the browser cannot reach this machine", err, loginPatience)
	case err != nil:
		return secret.String{}, errInterrupted
	}
	return attempt.Code(query)
}

// page is what the browser shows at the end. It says nothing about the account: the redirect may be seen by others.
func page(err error) string {
	if err != nil {
		return "The login failed. The terminal where leadsync runs says why."
	}
	return "leadsync is connected. You can close this page."
}

// openBrowser starts the program that opens addresses on this kind of machine. The address is in the process list: it
// holds no secret, but a state that is worthless without the code and the verifier.
func openBrowser(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	c := exec.Command(name, args...) //nolint:gosec // a fixed program, and an address of our own making
	if err := c.Start(); err != nil {
		return err
	}
	go func() { _ = c.Wait() }() // it ends when it likes; this process is gone long before a browser is
	return nil
}
