namespace CniIsolator.Cni.Tests;

public sealed class CniArgsTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("", "")]
    [InlineData(";;", "")]
    [InlineData("FOO", "")]
    [InlineData("=x", "")]
    [InlineData("A=", "A:")]
    [InlineData("A=1;FOO;B=2", "A:1|B:2")]
    [InlineData("A=b=c", "A:b=c")]
    [InlineData("B=1;A=2;B=3", "B:1|A:2|B:3")]
    [InlineData("IgnoreUnknown=true;NOMAD_JOB_ID=web", "IgnoreUnknown:true|NOMAD_JOB_ID:web")]
    public void Pairs_are_kept_in_order(string? text, string pairs) =>
        Assert.Equal(pairs, string.Join('|', CniArgs.Parse(text).Pairs.Select(p => $"{p.Key}:{p.Value}")));

    [Fact]
    public void Look_up_minds_case_and_takes_the_last()
    {
        var args = CniArgs.Parse("K8S_POD_NAME=a;k8s_pod_name=b;K8S_POD_NAME=c");
        Assert.Equal("c", args["K8S_POD_NAME"]);
        Assert.Equal("b", args["k8s_pod_name"]);
        Assert.Null(args["K8s_Pod_Name"]);
    }
}
