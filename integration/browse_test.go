package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// browse PICTURE URL [LINK...] opens a page of Consul's web interface in a real
// browser, follows links by how their text begins, and prints what a person sees there: a
// line for each heading and row, in which [passing] and the like stand for a
// mark of health and <kubernetes-color> for a picture. The last page is kept
// as PICTURE.png with the artifacts of the test.
func browse(ts *testscript.TestScript, args []string) ([]byte, error) {
	if len(args) < 2 {
		ts.Fatalf("usage: browse PICTURE URL [LINK...]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tab, end, err := openBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	seen, err := follow(tab, args[1], args[2:])
	if err != nil {
		return []byte(seen), fmt.Errorf("browse %q: %w", args[1], err)
	}
	picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		return []byte(seen), fmt.Errorf("picture of %q: %w", args[1], err)
	}
	return []byte(seen), os.WriteFile(filepath.Join(ts.Getenv("ARTIFACTS"), args[0]+".png"), picture, 0o600)
}

// openBrowser starts a browser of its own, with an empty profile; end waits
// until it is gone. It speaks to nobody but the page's server: no updates, no
// lists of bad sites.
func openBrowser(ctx context.Context) (tab context.Context, end func(), err error) {
	path, err := servers.Chromium(ctx, progress)
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1400, 1500),
		chromedp.NoSandbox, // which root must do without; the pages are our own
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	all, stop := chromedp.NewExecAllocator(ctx, options...)
	tab, _ = chromedp.NewContext(all)
	end = func() {
		_ = chromedp.Cancel(tab)
		stop()
	}
	if err := chromedp.Do(tab); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %q: %w", path, err)
	}
	return tab, end, nil
}

// follow opens a page, clicks one link after the other and returns what is
// seen on the last page.
func follow(tab context.Context, url string, links []string) (seen string, err error) {
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		return "", err
	}
	if seen, err = settledPage(tab, ""); err != nil {
		return seen, err
	}
	for _, text := range links {
		if found, err := chromedp.Run(tab, chromedp.Evaluate[bool](fmt.Sprintf(clickLink, text))); err != nil || !found {
			return seen, fmt.Errorf("click %q: found %v: %w", text, found, err)
		}
		if seen, err = settledPage(tab, seen); err != nil {
			return seen, fmt.Errorf("click %q: %w", text, err)
		}
	}
	return seen, nil
}

// settledPage returns what is seen once that is something else than before and
// stays the same.
func settledPage(tab context.Context, before string) (seen string, err error) {
	for range 100 {
		now, err := chromedp.Run(tab, chromedp.Evaluate[string](whatIsSeen))
		if err != nil {
			return seen, err
		}
		if now != "" && now != before && now == seen {
			return seen, nil
		}
		seen = now
		if err := chromedp.Do(tab, chromedp.Sleep(300*time.Millisecond)); err != nil {
			return seen, err
		}
	}
	return seen, errors.New("the page does not come to rest")
}

// clickLink clicks the first link whose text begins so; false while there is
// none.
const clickLink = `(() => {
	const text = %q;
	const link = [...document.querySelectorAll('main a')].find(a => a.textContent.trim().startsWith(text));
	link?.click();
	return !!link;
})()`

// whatIsSeen is the page in words, and nothing before it has contents. What
// has no size is not seen, nor is a picture whose drawing is missing.
const whatIsSeen = `(() => {
	const contents = '.list-collection > ul > li, .health-check-output, tr';
	if (document.querySelector('[data-state="loading"]') || !document.querySelector('main :is(' + contents + ')')) return '';
	const rows = 'h1, .consul-external-source, .tag-list, ' + contents;
	const marks = ['passing', 'warning', 'critical'];
	const words = node => {
		if (node.nodeType === Node.TEXT_NODE) return node.textContent;
		if (node.nodeType !== Node.ELEMENT_NODE || node.getClientRects().length === 0) return '';
		if (node.tagName === 'svg') {
			const drawing = document.querySelector(node.querySelector('use')?.getAttribute('href') ?? 'none');
			return drawing ? '<' + node.dataset.testIcon + '>' : '';
		}
		const health = marks.filter(m => node.classList.contains(m)).map(m => '[' + m + ']').join(' ');
		return ' ' + health + ' ' + [...node.childNodes].map(words).join('') + ' ';
	};
	return [...document.querySelectorAll('main :is(' + rows + ')')]
		.filter(e => !e.parentElement.closest(rows))
		.map(e => words(e).replace(/\s+/g, ' ').trim())
		.filter(line => line !== '').map(line => line + '\n').join('');
})()`
