/** The report's one style sheet: system fonts, light and dark by the reader's setting, printable. */
export const style = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2126;--dim:#5d6771;--line:#e2e6ea;--panel:#f6f8f9;--accent:#1f5fbf;
--good:#18794e;--bad:#c0392b;--warn:#9a6700;--c0:#1f5fbf;--c1:#c2570c;--c2:#18794e;--c3:#8e3bb5;--c4:#b0892a;--c5:#0f7f8c;--c6:#b83268;--c7:#626b74;--c8:#6a8f1f}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e7ea;--dim:#97a1ab;--line:#2b3138;--panel:#1b1f24;--accent:#7db1ff;
--good:#4cc38a;--bad:#ff7b6b;--warn:#e2b93b;--c0:#6aa5ff;--c1:#ff9a56;--c2:#4cc38a;--c3:#c792ea;--c4:#e2c15c;--c5:#4fc6d3;--c6:#ff85b0;--c7:#a4adb6;--c8:#a9cf5a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:2.2rem 1.4rem 5rem;background:var(--bg);color:var(--fg);font:15px/1.55 system-ui,-apple-system,"Segoe UI","PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
h1{font-size:1.65rem;line-height:1.25;margin:0 0 .3rem}h2{font-size:1.16rem;margin:2.8rem 0 .5rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .3rem}p{margin:.4rem 0 .8rem;max-width:76ch}a{color:var(--accent)}
code,pre,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}pre{background:var(--panel);padding:.8rem 1rem;border-radius:6px;overflow:auto;max-height:32rem}
.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
body{overflow-wrap:break-word}.verdict{font-size:1.05rem;margin:.3rem 0 .9rem}
.nowrap{white-space:nowrap}
.facts{display:flex;flex-wrap:wrap;gap:.15rem 1.6rem;color:var(--dim);margin:.2rem 0 0}.facts b{color:var(--fg);font-weight:600}
nav{margin:1.2rem 0 0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:13.5px}nav a{text-decoration:none}nav a:hover{text-decoration:underline}
.scroll{overflow-x:auto;margin:.5rem 0 1rem}table{border-collapse:collapse;min-width:min(100%,560px);font-size:13.5px}
th{text-align:left;font-weight:600;color:var(--dim);border-bottom:1px solid var(--line);padding:.3rem 1.4rem .3rem 0;white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:.36rem 1.4rem .36rem 0;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr));gap:1.1rem 1.8rem;margin:.8rem 0 1rem}
.plot{margin:0;min-width:0}.plot figcaption{font-weight:600;font-size:13.5px;margin-bottom:.2rem}
.note{background:var(--panel);border-left:3px solid var(--warn);border-radius:0 6px 6px 0;padding:.55rem .9rem;margin:1rem 0;max-width:none}
.share{display:inline-block;width:90px;height:8px;background:var(--line);border-radius:4px;overflow:hidden;vertical-align:middle}.share i{display:block;height:100%;background:var(--accent)}
.tile{display:flex;flex-wrap:wrap;gap:.7rem;margin:1rem 0}.tile div{background:var(--panel);border-radius:8px;padding:.6rem .95rem;min-width:150px}
.tile b{display:block;font-size:1.18rem;font-variant-numeric:tabular-nums;line-height:1.35}.tile span{color:var(--dim);font-size:12.5px}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--accent);font-size:13.5px}
.sample{background:var(--panel);border-radius:8px;padding:.7rem 1rem;margin:.7rem 0}.sample h3{margin:.1rem 0 .5rem;font-size:13.5px}.sample dl{margin:0}
.sample dt{color:var(--dim);font-size:12.5px;margin-top:.5rem}.sample dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}.think{color:var(--dim)}
.u-legend{font-size:12px!important;text-align:left!important;color:var(--dim)}.u-legend th{border:0;padding:0}.u-legend td{border:0;padding:0 .3rem}.u-legend tr{margin-right:.7rem}.u-legend th{font-weight:400}
.plot:not(:hover) .u-value,.plot:not(:hover) .u-series:first-child{display:none}.plot:not(:hover) .u-inline.u-live th::after{content:""}
svg text{fill:var(--dim);font-size:11px}footer{margin-top:3rem;color:var(--dim);font-size:13px}
@media (max-width:600px){body{padding:1.2rem 1rem 3rem}pre{white-space:pre-wrap;overflow-wrap:anywhere}
.scroll thead{display:none}.scroll table,.scroll tbody,.scroll tr,.scroll td{display:block;min-width:0}.scroll tr{border-bottom:1px solid var(--line);padding:.5rem 0}
.scroll td{position:relative;border:0;padding:.08rem 0 .08rem 8.4rem;text-align:left;white-space:normal;overflow-wrap:anywhere}.scroll td:empty{display:none}
.scroll td::before{content:attr(data-title);position:absolute;left:0;width:8rem;color:var(--dim)}.scroll td[data-title=""]{padding-left:0}}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}.plot,.sample,tr{break-inside:avoid}nav{display:none}}
`;
