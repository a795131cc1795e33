namespace CniIsolator.Plugin.Configuration;

/// <summary>The least severe events that the log file gets.</summary>
public enum LogLevel
{
    Debug,
    Information,
    Warning,
    Error,
}
