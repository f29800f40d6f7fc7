"""The report, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

HEAD: Mapping[str, str] = {
    "page.language": "zh-CN",
    "page.title": "梯度流动：{subject}",
    "page.question.compare": "更深的网络是否训练得更差？跳跃连接改变了什么？",
    "page.question.vanishing": "梯度随深度消失或爆炸得有多快？",
    "page.question.own": "梯度在这个网络中如何流动？",
    "value.unknown": "未注明",
    "list.and": "{first}、{last}",
    "page.contents": "目录",
    "page.skip": "跳到结论",
    "page.evidence": "图",
    "page.see": "详见",
    "page.unprinted": "打印时省略，见 {file}。",
    "page.data": "数据",
    "page.print_figure": "PNG，300 dpi",
    "page.footer": "由 gradflow {version} 根据 {runs}生成，{when}。",
    "headline.contrast": (
        "{depth} 层时，普通网络在训练集上的误分类率为 {plain_error}，残差网络为 {residual_error}：相差 {difference}。"
    ),
    "headline.variant": "{settings}：{said}",
    "headline.rise": (
        "从 {shallow} 层到 {deep} 层，普通网络的训练误差由 {plain_first} 变为 {plain_last}，残差网络由 "
        "{residual_first} 变为 {residual_last}；{deep} 层时两者相差 {difference}。"
    ),
    "headline.none": "各条规则均未发现问题；没有在可供比较的两层上测得梯度。",
    "headline.empty": "没有记录任何一步，因此对这些运行不作判断。",
    "ran.compare": (
        "{families}，深度 {depths} 层，数据集 {data}（{n_train} 张训练图像），训练 {steps} 步，每步 {batch_size} 张图"
        "像，{seeds}：共 {runs}。"
    ),
    "ran.vanishing": "{settings} 种设置的全连接网络，{depth} 层，宽度 {width}，处于初始化状态，每种 {seeds}。",
    "ran.own": "{model} 的 {runs}；在 {steps}上记录了梯度。",
}

SECTIONS: Mapping[str, str] = {
    "errors.title": "训练后的误差",
    "degradation.title": "退化：训练误差随深度的变化",
    "degradation.lead": (
        "较深的网络能够表示较浅网络所能表示的一切，因此训练误差更高意味着训练没有找到这样的解：这是优化问题，而不是过"
        "拟合。"
    ),
    "degradation.caveat": (
        "这是固定预算下的误差：每个网络都训练了同样的 {steps} 步。步数更多时会有何变化，此处没有测量。"
    ),
    "degradation.alt": "训练后的训练误差随深度的变化，每类网络一条线。{finding}",
    "degradation.alt_test": "训练后的测试误差随深度的变化，每类网络一条线。{finding}",
    "training.title": "训练曲线",
    "training.lead": (
        "小批量误差（每 {window} 步取平均），以及整个训练集上的误差（在测量了的步上）。过拟合的网络能学会其训练集；退"
        "化的网络则不能。"
    ),
    "training.lead_loss": "每一步所用批次的损失；未记录错误率。若损失从一开始就一直持平，说明网络根本没有学到东西。",
    "training.lead_loss_windows": (
        "每一步所用批次的损失，每 {window} 步取平均；未记录错误率。若损失从一开始就一直持平，说明网络根本没有学到东西。"
    ),
    "training.alt_loss": "各网络的损失随训练步的变化。{finding}",
    "training.alt": "各网络的误差随训练步的变化。{finding}",
    "profile.title": "梯度范数随深度的变化",
    "profile.lead": (
        "各带权层处损失梯度的范数，对数坐标，分别在 {steps} 次更新之后。斜直线表示每层因子恒定；水平线表示梯度均匀流"
        "动。"
    ),
    "profile.caption.out_grad_norm": "对各层输出的梯度，即反向传播的信号。",
    "profile.caption.grad_norm": "对各层参数的梯度，即优化器收到的信号。",
    "profile.alt.out_grad_norm": "若干步上激活梯度范数随层深度的变化。{finding}",
    "profile.alt.grad_norm": "若干步上参数梯度范数随层深度的变化。{finding}",
    "factor.title": "每层因子",
    "factor.lead": (
        "沿反向传播方向，在同一阶段内，激活梯度的范数每经过一层大致都乘以同一个因子。小于 1 为消失，大于 1 为爆炸。该"
        "因子由第 0 步范数的对数作直线拟合得到（不含每个阶段的第一层），区间为跨随机种子的 95% 置信区间（Student t）"
        "。"
    ),
    "factor.closed_form": (
        "对于没有跳跃连接、批归一化位于 ReLU 之前的网络，闭式解为每层 {factor}（宽层，初始化时；Yang et al. 2019）。"
        "残差分支内带批归一化的残差网络服从幂律，没有恒定的因子。"
    ),
    "heatmaps.title": "每一层在每个记录步上的梯度",
    "heatmaps.lead": "每层一行，输入在最上方；每个记录步一列；颜色为激活梯度的范数，对数刻度，所有网络共用。",
    "heatmaps.alt": "每一层在每个记录步上的激活梯度范数，每个网络一格。{finding}",
    "weights.title": "权重增长与有效学习率",
    "weights.lead": ("相对于第 0 步的权重范数，以及有效学习率，即学习率除以权重范数的平方。"),
    "weights.batch_norm": (
        "使用批归一化时，输出与权重的尺度无关，一次更新使权重方向改变的幅度约为有效学习率。若最初几步使权重膨胀，网络此后"
        "便几乎不再变化。"
    ),
    "weights.alt": "相对于第 0 步的权重范数以及有效学习率随训练步的变化。{finding}",
    "vanishing.title": "实测的梯度消失",
    "vanishing.lead": (
        "处于初始化状态的深层全连接网络，每种设置 {seeds}。恒定的每层因子会逐层连乘：每层为 {factor} 时，经过 "
        "{layers}后梯度为原来的 {after}。"
    ),
    "vanishing.homogeneous": (
        "同时给出两种梯度，因为二者不同：在没有偏置和归一化的 ReLU 网络中，⟨W, ∂L/∂W⟩ 在每一层都相等，因此权重梯度沿"
        "深度的曲线是平的，而其整体大小却在消失。"
    ),
    "vanishing.alt.out_grad_norm": (
        "激活梯度范数（相对于最后一层）随层深度的变化，每种设置一条线，闭式解为虚线。{finding}"
    ),
    "vanishing.alt.grad_norm": "权重梯度范数（相对于最后一层）随层深度的变化，每种设置一条线。{finding}",
    "vanishing.line": "{label}：每层 {factor}，{verdict}。",
    "vanishing.caption.out_grad_norm": "激活梯度：反向传播的信号。",
    "vanishing.caption.grad_norm": "权重梯度：优化器收到的信号。",
    "findings.title": "文字结论",
    "findings.lead": (
        "每条结论都来自各自的测量；梯度消失、梯度爆炸、梯度破碎与网络退化是四种不同的现象，任何一种都不由另一种推断得"
        "出。区间为跨随机种子的 95% 置信区间（Student t）；只有一个随机种子时没有区间。"
    ),
    "coverage.title": "覆盖范围",
    "coverage.lead": "逐次运行计数，共 {layers}，其中 {measured} 层在其输出处测得了梯度。其余为：",
    "coverage.unprobed": "探针“{probe}”在{runs}中没有结果：{why}",
    "coverage.full": "逐次运行计数，全部 {layers}都在其输出处测得了梯度。",
    "method.title": "方法与复现",
    "method.lead": (
        "梯度由钩子记录，训练结果与不加钩子时逐比特一致。范数为 L2 范数。本页的每个数字都来自此处列出的记录；"
        "除非标签注明在多少步上平均，否则未作任何平滑。"
    ),
    "method.overhead": "训练用时 {recorded}，其中记录用时 {recorder}，占 {share}。",
}

STATUSES: Mapping[str, str] = {
    "status.output is the input": (
        "该层原样返回其输入，例如恒等捷径连接。记录的值为该张量的梯度，其中包含该张量其他所有用途的贡献。"
    ),
    "status.measured at its base": "输出是一个被就地修改的视图，其梯度在该视图所对应的原张量处读取。",
    "status.parameters only": "该层未作为模块被调用，或其输出没有梯度。读取了其参数的梯度。",
    "status.not in the graph": (
        "该层的输出不需要梯度：其之前没有可训练的部分，或在此处被 detach。在早期版本的记录中，也可能是该层未被调用。"
    ),
    "status.not called": "该层未作为模块被调用。",
    "status.called without gradients": "该层只在关闭梯度时（no_grad 或 inference_mode）被调用。",
    "status.frozen": "其参数不需要梯度，也没有梯度经过其输出。",
    "status.no gradient": "该层被调用，但损失不依赖于其输出。",
    "status.lost": "输出是输入的一个视图，其钩子没有触发：它被就地修改，或没有被使用。",
    "status.compiled": "该层在 torch.compile 内部运行，钩子会打断其计算图。读取了参数。",
    "status.scripted": "TorchScript 模块不支持钩子。读取了参数。",
    "status.not of the loss": (
        "有梯度到达，但都不属于优化器所用的梯度：它们来自 autograd.grad()，或在更新之前已被 zero_grad() 清除。"
    ),
    "status.several passes": "有多次反向传播到达该输出。从下一个被记录的步起，测量它们之和。",
    "status.double backward": (
        "有一次反向传播经过了该层的导数，而该导数由此输出算得，因此无法把损失的梯度与这一项分开。"
    ),
    "status.added": "该层是后来加入模型的。其输出从下一个被记录的步起测量。",
    "status.gone": "该层已不再属于模型。",
    "status.skipped": "梯度缩放器跳过了这一步，梯度在读取之前已被清除。",
    "status.too many calls": "同一步中出现的层输出超过了可保留的数量。",
    "status.failed": "测量时出现错误。",
}

TABLES: Mapping[str, str] = {
    "table.summary": "训练后的误差，以及训练前首层与末层的梯度范数之比",
    "table.paired_difference": "训练误差之差（普通网络减残差网络），按随机种子配对",
    "table.factor": "第 0 步的每层因子，每个网络一行",
    "table.one_seed": "{caption}。各 1 个随机种子，无置信区间",
    "table.toy": "每层乘以 {factor}：剩余的梯度。这是算术，不是测量",
    "table.vanishing": "测量值与闭式解对照，每种设置一行",
    "table.coverage": "输出梯度未能直接测量的层，按状态列出",
}

DEFINITIONS: Mapping[str, str] = {
    "definition.train_error": "训练误差：训练后在评估模式下，整个训练集中被错误分类的比例。",
    "definition.batch_error": "小批量误差：训练模式下，一步所用批次中被错误分类的比例。",
    "definition.majority": "多数类：始终回答最多数类别的网络。若有记录，其训练误差以点线画出；学到东西的网络低于此线。",
    "definition.out_grad_norm": "激活梯度：损失对某层输出的梯度的 L2 范数。",
    "definition.grad_norm": "参数梯度：损失对某层自身全部参数的梯度的 L2 范数。",
    "definition.layer_depth": (
        "层深度：从输入起最长路径上的带权层（卷积层、全连接层）的个数；归一化层与激活层的深度与其前一层相同。"
    ),
    "definition.decades": (
        "首层与末层之比，以数量级计：首个与最后一个带权层的范数之比，取以 10 为底的对数。−2 个数量级即百分之一。"
    ),
    "definition.factor": (
        "每层因子：在一个阶段内拟合 ln(范数) 对层深度的斜率，以其相反数为 e 的指数；大于 1 表示范数在传回输入的途中增"
        "大。"
    ),
    "definition.stage": "阶段：特征图尺寸相同的一串层。",
    "definition.effective_lr": "有效学习率：学习率除以权重范数的平方（van Laarhoven 2017）。",
    "definition.interval": (
        "区间：跨随机种子的 95% 置信区间（Student t）；范数与因子先取对数再计算；误差的区间截断于 0 与 100%。"
    ),
}

COLUMNS: Mapping[str, str] = {
    "column.network": "网络",
    "column.n": "随机种子数",
    "column.train_error": "训练误差",
    "column.test_error": "测试误差",
    "column.grad_ratio": "参数梯度，数量级",
    "column.out_grad_ratio": "激活梯度，数量级",
    "column.seconds": "每次运行用时",
    "column.depth": "深度",
    "column.pairs": "配对数",
    "column.difference": "普通减残差，百分点",
    "cell.stage": "第 {number} 阶段",
    "column.factor": "每层因子，测量值",
    "column.closed_form": "闭式解",
    "column.layers": "层数",
    "column.example": "第一个",
    "column.layer_kind": "类型",
    "column.status": "状态",
    "column.runs": "运行数",
    "column.layers_passed": "经过的层数",
    "column.gradient_left": "剩余梯度",
    "column.setting": "设置",
    "column.predicted": "闭式解（差值）",
    "column.decades": "首层与末层之比，数量级",
    "column.weight_factor": "权重梯度，每层因子",
    "column.verdict": "判定",
    "cell.one_seed": "1 个随机种子，无置信区间",
    "cell.same": "{n} 个均相同",
    "cell.interval": "{low} 至 {high}",
    "cell.power_law": "幂律",
}

FACTS: Mapping[str, str] = {
    "fact.command": "命令",
    "fact.model": "模型",
    "fact.data": "数据",
    "fact.n_train": "训练图像数",
    "fact.n_inputs": "每次测量的输入数",
    "fact.n_test": "测试图像数",
    "fact.widths": "各阶段通道数",
    "fact.width": "宽度",
    "fact.shortcut": "捷径连接方案",
    "fact.steps": "步数",
    "fact.batch_size": "批大小",
    "fact.lr": "学习率",
    "fact.schedule": "学习率调度",
    "fact.warmup": "预热步数",
    "fact.momentum": "动量",
    "fact.weight_decay": "权重衰减",
    "fact.record_every": "记录间隔步数",
    "fact.eval_every": "误差测量间隔步数",
    "fact.seed": "随机种子",
    "fact.device": "设备",
    "fact.device_name": "处理器",
    "fact.threads": "每次运行的线程数",
    "fact.dtype": "数值类型",
    "fact.gradients": "梯度",
    "fact.page_command": "生成本页的命令",
    "fact.versions": "版本",
    "fact.started": "开始时间",
    "fact.wall_seconds": "用时，全部运行合计",
    "method.span": "{first} 至 {last}",
}
