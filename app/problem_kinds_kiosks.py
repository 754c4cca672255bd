"""The catalogue's part about kiosks and what they seal."""

from __future__ import annotations

from app.problem_kinds_http import Kind, Text

KIOSK_KINDS: dict[str, Kind] = {
    "pairing_refused": Kind(
        403,
        Text("配对码不对或已失效", "The pairing code is wrong or has ended"),
        Text(
            "配对码十分钟内有效,只能用一次;请工作人员重新生成一个。",
            "A code is good for ten minutes and one device: ask a clerk for a new one.",
        ),
    ),
    "numbers_enough": Kind(
        409,
        Text("未使用的预留编号已经很多", "This device has many unused numbers already"),
        Text(
            "请先用完已有的编号;一天之内未用的编号最多 500 个。",
            "Use those that it has; at most 500 that were not used are given in a day.",
        ),
    ),
    "sealed_body_refused": Kind(
        422,
        Text("密封内容无法打开", "The sealed body can't be opened"),
        Text(
            "应为 compact JWE:alg 为 ECDH-ES,enc 为 A256GCM,并写 kid 与 epk;内容在途中不得改动。",
            "Send a compact JWE: `alg` ECDH-ES, `enc` A256GCM, with `kid` and `epk`, unchanged since it was sealed.",
        ),
    ),
    "sealing_key_unknown": Kind(
        422,
        Text("没有这把密封公钥", "There is no sealing key with this kid"),
        Text(
            "请用 GET /v1/kiosk 取得现行公钥后重新密封。",
            "Get the present one by `GET /v1/kiosk`, and seal with it.",
        ),
    ),
}
