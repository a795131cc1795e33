namespace CniIsolator.Testbed;

/// <summary>How Debian's Chromium is started here: without a window, as root, and without asking for anything that is not on this machine.</summary>
public static class Chromium
{
    /// <param name="profile">A new directory of its own, to be removed afterwards.</param>
    public static string[] Arguments(string profile) =>
    [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-breakpad",
        $"--user-data-dir={profile}",
    ];
}
